//! Every order of the steps by which two ends agree who has the machine: a model of
//! `src/agreement.rs`, explored whole.
//!
//! Messages travel in order and may be lost from any point on, when the connection breaks. Either
//! end may be cancelled or killed at any moment, and a write may succeed though nobody will read it,
//! as over TCP. The order that the engine had before is explored too, and fails.

use std::collections::{HashSet, VecDeque};

/// Who speaks which order of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// The source asks, is answered, and gives the machine away by EOF.
    AskedThenEof,
    /// The destination is QEMU: it answers the question, starts the machine at EOF, and says so.
    QemuDestination,
    /// The source is QEMU: it asks nothing, and lets the machine go on when it is cancelled.
    QemuSource,
    /// As this engine was: nothing is asked; a source that is cancelled refuses the last word, and
    /// lets the machine go on if that had not come yet.
    RefusedWord,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Message {
    /// PING: was everything but EOF taken?
    Ready,
    Pong,
    Eof,
    /// SHUT 0.
    Taken,
    /// SHUT with an error.
    Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    /// Everything before the end goes, with the machine stopped.
    Sends,
    WaitsForPong,
    /// The machine was given away.
    WaitsForWord,
    /// The machine runs here.
    Runs,
    /// The machine has moved.
    Moved,
    /// Nobody knows; the machine stays stopped and may be let go on.
    Unknown,
    /// With the machine, which it keeps until it has heard that the destination has it.
    Killed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Destination {
    Loads,
    WaitsForEof,
    /// EOF came: it is made durable, and the source is told.
    Settles,
    Runs,
    Failed,
    Killed {
        with_machine: bool,
    },
}

/// One direction of the connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Link {
    messages: VecDeque<Message>,
    /// Nothing comes after what is in `messages`.
    ended: bool,
}

impl Link {
    fn send(&mut self, message: Message) {
        // Written to a connection that is broken, it is lost.
        if !self.ended {
            self.messages.push_back(message);
        }
    }

    /// What the reader sees next; `None` is the end.
    fn next(&mut self) -> Option<Option<Message>> {
        match self.messages.pop_front() {
            Some(message) => Some(Some(message)),
            None => self.ended.then_some(None),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    source: Source,
    destination: Destination,
    there: Link,
    back: Link,
    source_cancelled: bool,
    destination_cancelled: bool,
}

impl World {
    fn new() -> Self {
        World {
            source: Source::Sends,
            destination: Destination::Loads,
            there: Link::default(),
            back: Link::default(),
            source_cancelled: false,
            destination_cancelled: false,
        }
    }

    fn source_runs(&self) -> bool {
        self.source == Source::Runs
    }

    fn destination_runs(&self) -> bool {
        self.destination == Destination::Runs
    }

    fn is_over(&self) -> bool {
        use Destination as D;
        use Source as S;
        matches!(self.source, S::Runs | S::Moved | S::Unknown | S::Killed)
            && matches!(self.destination, D::Runs | D::Failed | D::Killed { .. })
    }

    /// The machine is nowhere and nobody can bring it back, though nobody who had it was killed.
    fn is_lost(&self) -> bool {
        let killed = self.source == Source::Killed
            || matches!(self.destination, Destination::Killed { with_machine: true });
        self.is_over()
            && !self.source_runs()
            && !self.destination_runs()
            && self.source != Source::Unknown
            && !killed
    }

    fn end_source(&mut self, source: Source) {
        self.source = source;
        self.there.ended = true;
    }

    fn end_destination(&mut self, destination: Destination, word: Option<Message>) {
        if let Some(word) = word {
            self.back.send(word);
        }
        self.destination = destination;
        self.back.ended = true;
    }

    /// Every world that one step leads to.
    fn steps(&self, order: Order) -> Vec<World> {
        let mut worlds = Vec::new();
        let mut step = |change: &dyn Fn(&mut World)| {
            let mut world = self.clone();
            change(&mut world);
            if world != *self {
                worlds.push(world);
            }
        };
        self.break_somewhere(&mut step);
        self.source_steps(order, &mut step);
        self.destination_steps(order, &mut step);
        worlds
    }

    /// The connection breaks, and of what is on its way any part from the front still arrives.
    fn break_somewhere(&self, step: &mut impl FnMut(&dyn Fn(&mut World))) {
        if self.there.ended && self.back.ended {
            return;
        }
        for there in 0..=self.there.messages.len() {
            for back in 0..=self.back.messages.len() {
                step(&|world| {
                    world.there.messages.truncate(there);
                    world.back.messages.truncate(back);
                    world.there.ended = true;
                    world.back.ended = true;
                });
            }
        }
    }

    fn source_steps(&self, order: Order, step: &mut impl FnMut(&dyn Fn(&mut World))) {
        use Source as S;
        let asks = matches!(order, Order::AskedThenEof | Order::QemuDestination);
        let works = matches!(self.source, S::Sends | S::WaitsForPong | S::WaitsForWord);
        if !works {
            return;
        }
        step(&|world| world.source_cancelled = true);
        step(&|world| world.end_source(S::Killed));
        match self.source {
            S::Sends if self.source_cancelled => step(&|world| world.end_source(S::Runs)),
            S::Sends if asks => step(&|world| {
                world.there.send(Message::Ready);
                world.source = S::WaitsForPong;
            }),
            S::Sends => step(&|world| {
                world.there.send(Message::Eof);
                world.source = S::WaitsForWord;
            }),
            S::WaitsForPong if self.source_cancelled => step(&|world| world.end_source(S::Runs)),
            S::WaitsForPong => step(&|world| match world.back.next() {
                None => {}
                Some(Some(Message::Pong)) => {
                    // The point of no return.
                    world.there.send(Message::Eof);
                    world.source = S::WaitsForWord;
                }
                Some(_) => world.end_source(S::Runs),
            }),
            S::WaitsForWord => {
                // Nobody answers.
                if self.source_cancelled {
                    match order {
                        Order::AskedThenEof | Order::QemuDestination => {
                            step(&|world| world.end_source(S::Unknown));
                        }
                        Order::QemuSource | Order::RefusedWord => {
                            let came = self.back.messages.contains(&Message::Taken);
                            if !came {
                                step(&|world| world.end_source(S::Runs));
                            }
                        }
                    }
                }
                step(&|world| match (world.back.next(), order) {
                    (None, _) | (Some(Some(Message::Pong)), _) => {}
                    (Some(Some(Message::Taken)), _) => world.end_source(S::Moved),
                    (Some(Some(_)), _) => world.end_source(S::Runs),
                    (Some(None), Order::AskedThenEof | Order::QemuDestination) => {
                        world.end_source(S::Unknown);
                    }
                    (Some(None), _) => world.end_source(S::Runs),
                });
            }
            S::Runs | S::Moved | S::Unknown | S::Killed => {}
        }
    }

    fn destination_steps(&self, order: Order, step: &mut impl FnMut(&dyn Fn(&mut World))) {
        use Destination as D;
        if matches!(self.destination, D::Runs | D::Failed | D::Killed { .. }) {
            return;
        }
        step(&|world| world.destination_cancelled = true);
        let with_machine = self.destination == D::Settles;
        step(&|world| world.end_destination(D::Killed { with_machine }, None));
        match self.destination {
            D::Loads | D::WaitsForEof if self.destination_cancelled => {
                step(&|world| world.end_destination(D::Failed, Some(Message::Refused)));
                // Over TCP a word may be lost with the connection.
                step(&|world| world.end_destination(D::Failed, None));
            }
            D::Loads | D::WaitsForEof => {
                step(&|world| match world.there.next() {
                    None => {}
                    Some(Some(Message::Ready)) => {
                        world.back.send(Message::Pong);
                        world.destination = D::WaitsForEof;
                    }
                    Some(Some(Message::Eof)) => world.destination = D::Settles,
                    Some(_) => world.end_destination(D::Failed, Some(Message::Refused)),
                });
                // A device refuses its state.
                if self.there.messages.front() == Some(&Message::Ready) {
                    step(&|world| world.end_destination(D::Failed, Some(Message::Refused)));
                }
            }
            D::Settles => {
                if order != Order::QemuDestination {
                    step(&|world| world.end_destination(D::Failed, Some(Message::Refused)));
                }
                match order {
                    // It was given the machine for certain.
                    Order::AskedThenEof | Order::QemuDestination => {
                        step(&|world| world.end_destination(D::Runs, Some(Message::Taken)));
                    }
                    // The write of its word tells whether the source is there still, but for what
                    // the network does not know yet.
                    Order::QemuSource | Order::RefusedWord => {
                        step(&|world| world.end_destination(D::Runs, Some(Message::Taken)));
                        if self.there.ended {
                            step(&|world| world.end_destination(D::Failed, None));
                        }
                    }
                }
            }
            D::Runs | D::Failed | D::Killed { .. } => {}
        }
    }
}

/// All worlds that can come to be.
fn explore(order: Order) -> HashSet<World> {
    let mut seen = HashSet::from([World::new()]);
    let mut to_do = vec![World::new()];
    while let Some(world) = to_do.pop() {
        for next in world.steps(order) {
            if seen.insert(next.clone()) {
                to_do.push(next);
            }
        }
    }
    println!("{order:?}: {} worlds", seen.len());
    seen
}

#[test]
fn two_ends_of_ours_never_both_have_the_machine() {
    let worlds = explore(Order::AskedThenEof);
    for world in &worlds {
        assert!(!(world.source_runs() && world.destination_runs()), "both: {world:?}");
        assert!(!world.is_lost(), "lost: {world:?}");
        // Only a person could let it go on here, too.
        if world.source == Source::Unknown && world.is_over() {
            assert!(
                world.source_cancelled || world.there.ended,
                "uncertain for no reason: {world:?}"
            );
        }
    }
    // The model says something: each end is reached, the uncertain one in both its kinds.
    let ends = |source: Source, destination: Destination| {
        worlds.iter().any(|world| world.source == source && world.destination == destination)
    };
    assert!(ends(Source::Moved, Destination::Runs));
    assert!(ends(Source::Runs, Destination::Failed));
    assert!(ends(Source::Unknown, Destination::Runs));
    assert!(ends(Source::Unknown, Destination::Failed));
}

#[test]
fn a_source_of_ours_and_a_qemu_never_both_have_the_machine() {
    for world in explore(Order::QemuDestination) {
        assert!(!(world.source_runs() && world.destination_runs()), "both: {world:?}");
        assert!(!world.is_lost(), "lost: {world:?}");
    }
}

#[test]
fn every_migration_of_ours_can_end_and_nothing_ends_it_twice() {
    let worlds = explore(Order::AskedThenEof);
    for world in &worlds {
        let next = world.steps(Order::AskedThenEof);
        assert!(world.is_over() || !next.is_empty(), "stuck: {world:?}");
        for after in next {
            assert!(!world.source_runs() || after.source_runs(), "{world:?} to {after:?}");
            assert!(!world.destination_runs() || after.destination_runs());
        }
    }
}

/// What the engine did before, and what QEMU's source does: a late cancel lets the machine run in
/// two places. If this model did not find that, it would find nothing.
#[test]
fn a_word_that_is_refused_too_late_lets_the_machine_run_at_both_ends() {
    for order in [Order::RefusedWord, Order::QemuSource] {
        let both = |world: &World| world.source_runs() && world.destination_runs();
        assert!(explore(order).iter().any(both), "{order:?}");
    }
}
