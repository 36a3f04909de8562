//! The whole outside face against a small model of it, in random sequences of operations.
//!
//! One test plays each sequence from one thread, and after each step every answer must be the
//! model's. A migration runs on a thread of its own, so the model knows which statuses are
//! possible: exactly one before a migration, as long as the BQL is not released after the
//! command, and after the end; in between, those that the phases can reach. The other test plays
//! from several threads at once, and checks what holds whatever they do to each other.
//!
//! A failure prints its seed, and `LASTREF_SEED=… cargo test -p lastref-migration --test property`
//! plays that sequence again. In the second test the seed fixes what each thread does, not how
//! the threads meet.

mod common;

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use common::{DEADLINE, Hooks, Told, attach, does, lock, machine, my_turn, obliging_machine, pair};
use engine::MigrationState;
use engine::transitions::{Here, transitions};
use migration::bql::{BqlGuard, BqlUnlocked};
use migration::{
    AnnounceParameters, Blocker, CommandError, Direction, Endpoint, InitError, Life, LifeEventKind,
    MigMode, MigModes, MigrationCapabilities, MigrationError, MigrationEvent, MigrationObject,
    MigrationParameters, MigrationStatus, Notifier, Observer, Retired, RunState, Uri, error_chain,
};

use MigrationStatus::{
    Active, Cancelled, Cancelling, Completed, Device, Failed, None as Nothing, PreSwitchover, Setup,
};
use wire::{ReturnMessage, Wire as _};

/// How many sequences the first test plays.
const SEQUENCES: u64 = 4000;

/// How many operations one has.
const STEPS: u64 = 30;

/// How many rounds of several threads the second test plays.
const ROUNDS: u64 = 1000;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn flip(&mut self) -> bool {
        self.below(2) == 0
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    fn modes(&mut self) -> MigModes {
        let some = MigModes::from(self.one(&MODES)) | self.one(&MODES).into();
        if self.below(3) == 0 { MigModes::ALL } else { some }
    }
}

const MODES: [MigMode; 4] =
    [MigMode::Normal, MigMode::CprReboot, MigMode::CprTransfer, MigMode::CprExec];

/// The seeds to play: the one that is asked for, or all.
fn seeds(count: u64) -> Vec<u64> {
    match std::env::var("LASTREF_SEED") {
        Ok(seed) => vec![seed.parse().expect("LASTREF_SEED is a number")],
        Err(_) => (0..count).collect(),
    }
}

/// Says how to play a sequence again, if it fails.
struct SaySeed(u64, Arc<Mutex<String>>);

impl Drop for SaySeed {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("LASTREF_SEED={} plays it again:{}", self.0, lock(&self.1));
        }
    }
}

/// What a migration meets at its other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Peer {
    /// Outgoing: there is nobody. Incoming: there is no such folder.
    Nowhere,
    /// Outgoing: has caught up and says nothing else, so that nothing is confirmed. Incoming:
    /// sends nothing.
    Silent,
    /// Outgoing: takes everything. Incoming: closes the connection.
    Quick,
    /// Incoming only: does not connect.
    Late,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Cancel,
    Fail,
}

/// What the model knows of one direction's last migration.
#[derive(Debug)]
struct Attempt {
    direction: Direction,
    /// As last seen.
    status: MigrationStatus,
    peer: Peer,
    /// A notifier will not let it begin.
    refused: bool,
    /// It waits for `migrate-continue` at the end.
    pauses: bool,
    continued: bool,
    stop: Option<Stop>,
    /// The first word of a device.
    word: Option<String>,
    /// It came before the thread could say anything.
    word_was_first: bool,
    /// The BQL was not released since the command.
    fresh: bool,
    /// It was stopped when it was fresh.
    stillborn: bool,
    _end: Option<UnixStream>,
}

impl Attempt {
    fn none(direction: Direction) -> Self {
        Attempt {
            direction,
            status: Nothing,
            peer: Peer::Nowhere,
            refused: false,
            pauses: false,
            continued: false,
            stop: None,
            word: None,
            word_was_first: false,
            fresh: false,
            stillborn: false,
            _end: None,
        }
    }

    fn runs(&self) -> bool {
        self.status.is_running()
    }

    fn stop(&mut self, stop: Stop) {
        if self.stop.is_none() {
            self.stop = Some(stop);
            self.stillborn = self.fresh;
            if stop == Stop::Cancel {
                self.status = Cancelling;
            }
        }
    }

    /// How it ends if nobody stops it.
    fn by_itself(&self) -> Option<MigrationStatus> {
        let outgoing = self.direction == Direction::Outgoing;
        match self.peer {
            _ if outgoing && self.refused => Some(Failed),
            Peer::Nowhere => Some(Failed),
            Peer::Quick if !outgoing => Some(Failed),
            Peer::Quick if self.pauses && !self.continued => None,
            Peer::Quick => Some(Completed),
            Peer::Silent | Peer::Late => None,
        }
    }

    /// How it can end from now on, if nobody does anything more.
    fn ends(&self) -> Vec<MigrationStatus> {
        let stopped = match self.stop {
            Some(Stop::Cancel) => Some(Cancelled),
            Some(Stop::Fail) => Some(Failed),
            None => None,
        };
        match (stopped, self.by_itself()) {
            // A cancel comes too late, if it was not there from the beginning. A word that comes
            // too late is not taken.
            (Some(Cancelled), Some(Completed)) if !self.stillborn => vec![Cancelled, Completed],
            // Its thread needs no BQL to fail, only to show that.
            (Some(Cancelled), Some(Failed)) => vec![Cancelled, Failed],
            (Some(stopped), _) => vec![stopped],
            (None, by_itself) => by_itself.into_iter().collect(),
        }
    }

    /// What it may be seen in now; `released` says whether the BQL was since it was last seen.
    fn possible(&self, released: bool) -> Vec<MigrationStatus> {
        let mut possible = vec![self.status];
        if !self.runs() {
            return possible;
        }
        let outgoing = self.direction == Direction::Outgoing;
        let connects = self.peer != Peer::Nowhere && self.peer != Peer::Late && !self.refused;
        // The request to stop is seen before the first byte goes, and not before one comes.
        if connects && self.status != Cancelling && !(outgoing && (self.stillborn || self.fresh)) {
            let mut last = self.status;
            if last == Setup {
                last = Active;
                possible.push(last);
            }
            if outgoing && released {
                if last == Active && self.pauses {
                    last = PreSwitchover;
                    possible.push(last);
                }
                if last == Active || last == PreSwitchover && self.continued {
                    possible.push(Device);
                }
            }
        }
        if released {
            possible.extend(self.ends());
        }
        possible
    }

    #[track_caller]
    fn see(&mut self, observer: &Observer, released: bool) {
        self.fresh &= !released;
        let possible = self.possible(released);
        let seen = observer.status();
        assert!(possible.contains(&seen), "{seen} is not among {possible:?}: {self:?}");
        self.status = seen;
        if !self.runs() && seen != Nothing {
            let error = observer.error().map(|error| error_chain(&*error));
            let expected = self.expected_errors();
            let matches = |expected: &Option<String>| match (&error, expected) {
                (Some(error), Some(expected)) => error.starts_with(expected),
                (error, expected) => error == expected,
            };
            assert!(expected.iter().any(matches), "{error:?}, not {expected:?}: {self:?}");
            assert_claimed(self.direction, &observer.history());
        }
    }

    /// How the text of its error may begin, when it is over: the first is kept, and a
    /// migration that fails by itself may do so before a word or a cancel reaches it.
    fn expected_errors(&self) -> Vec<Option<String>> {
        let outgoing = self.direction == Direction::Outgoing;
        let word = self.word.as_ref().map(|word| format!("a device reports: {word}"));
        if self.status == Completed {
            return vec![None];
        }
        if self.word_was_first {
            return vec![word];
        }
        let own = match self.peer {
            Peer::Nowhere if outgoing => Some("cannot connect to unix:/nowhere/"),
            _ if self.refused => Some("migration was refused at setup: not now"),
            Peer::Nowhere => Some("cannot wait for a migration at unix:/nowhere/"),
            Peer::Quick if !outgoing => Some("the migration stream cannot be loaded"),
            _ => None,
        };
        let stillborn = outgoing && self.stillborn && self.status == Cancelled;
        let own = own.filter(|_| !stillborn);
        let cancelled = (self.stop == Some(Stop::Cancel)).then_some("cancelled");
        let of_thread = own.into_iter().chain(cancelled).map(str::to_owned);
        of_thread.chain(word).map(Some).collect()
    }
}

/// Every step is one that the tables claim.
#[track_caller]
fn assert_claimed(direction: Direction, history: &[MigrationStatus]) {
    for pair in history.windows(2) {
        let claimed = transitions(direction).iter().any(|row| {
            (row.from, row.to) == (pair[0].name(), pair[1].name())
                && !matches!(row.here, Here::Not(_))
        });
        assert!(claimed, "{direction:?}: {history:?}");
    }
}

/// A migration object in the model: with the right to shut it down, or without.
struct Object {
    life: Life,
    observers: [Observer; 2],
    attempts: [Attempt; 2],
    parameters: MigrationParameters,
    capabilities: MigrationCapabilities,
    told: Arc<Told>,
    moved: usize,
    /// The BQL was released since it was last seen.
    released: bool,
}

const OUT: usize = 0;
const IN: usize = 1;
const BOTH: [Direction; 2] = [Direction::Outgoing, Direction::Incoming];

impl Object {
    fn runs(&self) -> bool {
        self.attempts.iter().any(Attempt::runs)
    }

    /// Compares with the object; returns the event of an outgoing migration that has ended.
    #[track_caller]
    fn see(&mut self) -> Option<MigrationStatus> {
        let ran = self.attempts[OUT].runs();
        for (attempt, observer) in self.attempts.iter_mut().zip(&self.observers) {
            attempt.see(observer, self.released);
        }
        self.released = false;
        let ended = (ran && !self.attempts[OUT].runs()).then_some(self.attempts[OUT].status);
        self.moved += usize::from(ended == Some(Completed));
        if !self.runs() {
            let count = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
            assert_eq!(count(&self.told.moved), self.moved);
            assert_eq!(count(&self.told.stop), self.moved + count(&self.told.resume));
            assert_eq!(count(&self.told.arrived), 0);
        }
        ended
    }
}

/// What one notifier heard, of SETUP, DONE and FAILED.
type Heard = Arc<[AtomicUsize; 3]>;

struct ModelNotifier {
    _handle: Notifier,
    heard: Heard,
    modes: MigModes,
    refuses: bool,
    /// Since when nothing is missing of what it must have heard, and how much that is.
    complete: Option<[usize; 3]>,
}

/// The face, as it should be.
struct Model {
    random: Random,
    narrow: bool,
    script: Arc<Mutex<String>>,
    right: Option<(MigrationObject, Object)>,
    /// Objects that were shut down and whose threads may run.
    retired: Vec<(Option<Retired>, Object)>,
    blockers: Vec<(Blocker, MigModes)>,
    notifiers: Vec<ModelNotifier>,
    only_migratable: bool,
    number: usize,
    kept: Vec<Observer>,
}

impl Model {
    fn current(&mut self) -> Option<&mut Object> {
        self.right.as_mut().map(|(_, object)| object)
    }

    fn outgoing_runs(&self) -> bool {
        self.right.as_ref().is_some_and(|(_, object)| object.attempts[OUT].runs())
    }

    /// Nothing runs anywhere, so nothing happens while the BQL is held.
    fn is_quiet(&self) -> bool {
        !self.right.as_ref().is_some_and(|(_, object)| object.runs())
            && !self.retired.iter().any(|(_, object)| object.runs())
    }

    fn parameters(&self) -> MigrationParameters {
        self.right.as_ref().map(|(_, object)| object.parameters).unwrap_or_default()
    }

    fn note(&self, what: &str) {
        // A `String` takes everything.
        let _ = write!(lock(&self.script), " {what};");
    }

    /// Lets other threads run for a moment.
    fn release(&mut self, bql: &mut BqlGuard<'_>, what: impl FnOnce(&Self, &mut BqlUnlocked)) {
        bql.unlocked(|thread| what(self, thread));
        if let Some(object) = self.current() {
            object.released = true;
        }
        for (_, object) in &mut self.retired {
            object.released = true;
        }
    }

    /// A migration that has begun must tell, at its end, all of these.
    fn note_end(&mut self, ended: Option<(MigrationStatus, bool)>) {
        let Some((status, connected)) = ended else {
            return;
        };
        let mut refused = !connected;
        for notifier in &mut self.notifiers {
            if !notifier.modes.contains(MigMode::Normal) {
                continue;
            }
            if let Some(complete) = &mut notifier.complete {
                complete[0] += usize::from(!refused);
                complete[if status == Completed { 1 } else { 2 }] += 1;
            }
            refused |= notifier.refuses;
        }
    }

    /// Compares every answer of the face with the model's.
    #[track_caller]
    fn check(&mut self, bql: &mut BqlGuard<'_>) {
        let mut ended = Vec::new();
        let exported = self.right.iter_mut().map(|(_, object)| object);
        for object in exported.chain(self.retired.iter_mut().map(|(_, object)| object)) {
            let connected = object.attempts[OUT].peer != Peer::Nowhere;
            ended.push(object.see().map(|status| (status, connected)));
        }
        for ended in ended {
            self.note_end(ended);
        }
        for (index, notifier) in self.notifiers.iter_mut().enumerate() {
            let heard = [0, 1, 2].map(|event| notifier.heard[event].load(Ordering::SeqCst));
            if let (Some(complete), true) = (notifier.complete, self.retired.is_empty()) {
                let runs = self.right.as_ref().is_some_and(|(_, object)| object.runs());
                if !runs {
                    assert_eq!(heard, complete, "notifier {index}");
                }
            }
        }

        let object = self.right.as_ref().map(|(_, object)| object);
        let status = object.map_or(Nothing, |object| object.attempts[OUT].status);
        assert_eq!(migration::is_running(bql), status.is_running());
        assert_eq!(migration::is_idle(bql), !status.is_running());
        assert_eq!(migration::is_setup_or_active(bql), status.is_running() && status != Cancelling);
        // The step from setup to active needs no BQL, so it may come between two questions.
        if status != Setup {
            assert_eq!(migration::is_active(bql), status == Active);
        }
        assert_eq!(migration::is_device(bql), status == Device);
        assert!(!migration::thread_is_self(bql));
        for direction in BOTH {
            assert_eq!(migration::observer(bql, direction).is_some(), object.is_some());
        }
        assert_eq!(migration::life(bql).is_some(), object.is_some());
        assert_eq!(migration::parameters(bql), self.parameters());
        assert_eq!(migration::announce_params(bql), self.parameters().announce);
        let capabilities = object.map(|object| object.capabilities).unwrap_or_default();
        assert_eq!(migration::capabilities(bql), capabilities);
        assert_eq!(migration::blocked_reasons(bql), self.reasons());
        for (_, object) in &self.retired {
            let dropped = object.life.events().iter().any(|e| e.what == LifeEventKind::Dropped);
            assert!(!(dropped && object.runs()), "it is gone and runs");
        }
    }

    fn reasons(&self) -> Vec<String> {
        let mode = self.parameters().mode;
        let of_mode = self.blockers.iter().filter(|(_, modes)| modes.contains(mode));
        of_mode.map(|(blocker, _)| blocker.reason().to_owned()).collect()
    }

    #[track_caller]
    fn step(&mut self, bql: &mut BqlGuard<'_>) {
        // Some sequences keep to what goes on within one object, and get further there.
        let within = [0, 1, 1, 12, 13, 13, 16, 18];
        let any = self.random.below(20);
        match if self.narrow { self.random.one(&within) } else { any } {
            0 => self.init(bql),
            1..=5 => self.migrate(bql),
            6 | 7 => self.migrate_incoming(bql),
            8 => self.add_notifier(bql),
            9 => self.add_blocker(bql),
            10 => self.drop_something(),
            11 => {
                let direction = self.random.one(&BOTH);
                self.note(&format!("cancel {direction:?}"));
                migration::cancel(bql, direction);
                if let Some(object) = self.current() {
                    let attempt = &mut object.attempts[direction as usize];
                    if attempt.runs() {
                        attempt.stop(Stop::Cancel);
                    }
                }
            }
            12 => self.fail(bql),
            13 => self.go_on(bql),
            14 => self.shut_down(bql),
            15 => self.set_parameters(bql),
            16 => self.set_capabilities(bql),
            17 => {
                self.note("release");
                self.release(bql, |_, _| thread::yield_now());
            }
            18 => self.wait(bql),
            _ => {
                self.note("temporary object");
                let host = machine(1, Hooks::default()).0;
                let other = MigrationState::new(host).expect("an object");
                other.registrations_mut(bql).set_only_migratable(true);
                other.cancel(bql, Direction::Outgoing);
            }
        }
    }

    #[track_caller]
    fn init(&mut self, bql: &mut BqlGuard<'_>) {
        self.note("init");
        let (host, told) = obliging_machine(2);
        match (migration::object_init(bql, host), &self.right) {
            (Ok(right), None) => {
                let observers = BOTH.map(|direction| {
                    migration::observer(bql, direction).expect("an object that was made")
                });
                self.kept.extend(observers.iter().cloned());
                let object = Object {
                    life: migration::life(bql).expect("an object that was made"),
                    observers,
                    attempts: BOTH.map(Attempt::none),
                    parameters: MigrationParameters::default(),
                    capabilities: MigrationCapabilities::default(),
                    told,
                    moved: 0,
                    released: false,
                };
                self.right = Some((right, object));
            }
            (Err(InitError::Exists), Some(_)) => {}
            (made, _) => panic!("{made:?}"),
        }
    }

    #[track_caller]
    fn migrate(&mut self, bql: &mut BqlGuard<'_>) {
        let peer = self.random.one(&[Peer::Nowhere, Peer::Silent, Peer::Quick]);
        self.note(&format!("migrate {peer:?}"));
        let (endpoint, end): (Endpoint, _) = match peer {
            Peer::Silent => {
                let (endpoint, mut end) = pair();
                // The answer to a question that will come.
                let mut pong = Vec::new();
                ReturnMessage::Pong(1).encode(&mut pong);
                end.write_all(&pong).expect("a socket with room");
                (endpoint, Some(end))
            }
            Peer::Quick => (Uri::File { path: "/dev/null".into(), offset: 0 }.into(), None),
            _ => (Uri::Unix("/nowhere/socket".into()).into(), None),
        };
        does(RunState::Running);
        let answer = migration::migrate(bql, endpoint);
        let (reasons, mode) = (self.reasons(), self.parameters().mode);
        let refused = peer != Peer::Nowhere
            && self.notifiers.iter().any(|n| n.refuses && n.modes.contains(MigMode::Normal));
        match (answer, self.current()) {
            (Err(CommandError::NoObject), None) => {}
            (Err(CommandError::Refused(MigrationError::Blocked { reasons: told })), Some(_)) => {
                assert_eq!(told, reasons);
                assert!(!reasons.is_empty());
            }
            (Err(CommandError::Refused(MigrationError::Mode { .. })), Some(_)) => {
                assert!(reasons.is_empty() && mode != MigMode::Normal);
            }
            (Err(CommandError::Refused(MigrationError::Busy { .. })), Some(object)) => {
                assert!(reasons.is_empty() && mode == MigMode::Normal && object.runs());
            }
            (Ok(()), Some(object)) => {
                assert!(reasons.is_empty() && mode == MigMode::Normal && !object.runs());
                object.attempts[OUT] = Attempt {
                    status: Setup,
                    peer,
                    refused,
                    pauses: object.capabilities.pause_before_switchover,
                    fresh: true,
                    _end: end,
                    ..Attempt::none(Direction::Outgoing)
                };
            }
            (answer, _) => panic!("{answer:?}"),
        }
    }

    #[track_caller]
    fn migrate_incoming(&mut self, bql: &mut BqlGuard<'_>) {
        let peer = self.random.one(&[Peer::Nowhere, Peer::Silent, Peer::Quick, Peer::Late]);
        self.note(&format!("migrate_incoming {peer:?}"));
        let (endpoint, end): (Endpoint, _) = match peer {
            Peer::Silent | Peer::Quick => {
                let (endpoint, end) = pair();
                (endpoint, (peer == Peer::Silent).then_some(end))
            }
            Peer::Nowhere => (Uri::Unix("/nowhere/socket".into()).into(), None),
            Peer::Late => (Uri::Tcp("127.0.0.1:0".into()).into(), None),
        };
        does(RunState::InMigrate);
        match (migration::migrate_incoming(bql, endpoint), self.current()) {
            (Err(CommandError::NoObject), None) => {}
            (Err(CommandError::Refused(MigrationError::Busy { .. })), Some(object)) => {
                assert!(object.runs());
            }
            (Ok(()), Some(object)) => {
                assert!(!object.runs());
                object.attempts[IN] = Attempt {
                    status: Setup,
                    peer,
                    fresh: true,
                    _end: end,
                    ..Attempt::none(Direction::Incoming)
                };
            }
            (answer, _) => panic!("{answer:?}"),
        }
    }

    /// Adds a notifier, in a quiet moment perhaps one that refuses.
    fn add_notifier(&mut self, bql: &mut BqlGuard<'_>) {
        let refuses = self.is_quiet() && self.random.below(6) == 0;
        let (any, releases) = (self.random.flip(), self.random.flip());
        let modes = if any { self.random.modes() } else { MigMode::Normal.into() };
        self.note(&format!("add notifier {modes:?} refuses={refuses} releases={releases}"));
        let heard = Heard::default();
        let hears = Arc::clone(&heard);
        let notify = move |bql: &mut BqlGuard<'_>, event: MigrationEvent| {
            hears[event as usize].fetch_add(1, Ordering::SeqCst);
            if releases {
                bql.unlocked(|_| thread::yield_now());
            }
            // After setup nobody listens to a refusal.
            if refuses { Err("not now".to_owned()) } else { Ok(()) }
        };
        let handle = if any {
            migration::add_notifier_modes(bql, modes, notify)
        } else {
            migration::add_notifier(bql, notify)
        };
        let complete = self.is_quiet().then_some([0; 3]);
        self.notifiers.push(ModelNotifier { _handle: handle, heard, modes, refuses, complete });
    }

    #[track_caller]
    fn add_blocker(&mut self, bql: &mut BqlGuard<'_>) {
        self.number += 1;
        let reason = format!("reason {}", self.number);
        let (modes, kind) = (self.random.modes(), self.random.below(5));
        self.note(&format!("add blocker {kind} {modes:?}"));
        let (added, modes) = match kind {
            0 => (migration::add_blocker(bql, &reason), MigModes::ALL),
            1 => (migration::add_blocker_normal(bql, &reason), MigMode::Normal.into()),
            2 => (migration::add_blocker_modes(bql, modes, &reason), modes),
            3 => (migration::add_blocker_internal(bql, &reason), MigModes::ALL),
            _ => {
                self.only_migratable = self.random.flip();
                return migration::set_only_migratable(bql, self.only_migratable);
            }
        };
        let forbidden = self.only_migratable && modes.contains(MigMode::Normal) && kind != 3;
        match added {
            Ok(blocker) => {
                assert!(!self.outgoing_runs() && !forbidden);
                assert_eq!(blocker.reason(), reason);
                self.blockers.push((blocker, modes));
            }
            Err(CommandError::Busy { reason: told }) => {
                assert!(self.outgoing_runs());
                assert_eq!(told, reason);
            }
            Err(CommandError::OnlyMigratable(_)) => assert!(!self.outgoing_runs() && forbidden),
            Err(error) => panic!("{error:?}"),
        }
    }

    /// Removes blockers and a notifier, by the end of their handles.
    fn drop_something(&mut self) {
        self.note("drop");
        if self.random.below(3) != 0 {
            self.blockers.clear();
        }
        if !self.notifiers.is_empty() {
            let index = self.random.below(self.notifiers.len() as u64) as usize;
            if self.is_quiet() || !self.notifiers[index].refuses {
                self.notifiers.remove(index);
            }
        }
        if self.random.flip() {
            for (retired, _) in &mut self.retired {
                *retired = None;
            }
        }
    }

    #[track_caller]
    fn fail(&mut self, bql: &mut BqlGuard<'_>) {
        self.number += 1;
        let word = format!("word {}", self.number);
        self.note("file_set_error");
        let answer = migration::file_set_error(bql, word.clone());
        if !self.outgoing_runs() {
            assert_eq!(answer, Err(word));
        } else if let Some(object) = self.current() {
            let attempt = &mut object.attempts[OUT];
            if answer.is_err() {
                // It was cancelled, or has come to its end: the machine has been given away, say.
                let cancelled = attempt.stop == Some(Stop::Cancel);
                assert!(cancelled || attempt.by_itself().is_some(), "{attempt:?}");
                return assert_eq!(answer, Err(word));
            }
            attempt.word_was_first |= attempt.fresh;
            attempt.word.get_or_insert(word);
            attempt.stop(Stop::Fail);
        }
    }

    #[track_caller]
    fn go_on(&mut self, bql: &mut BqlGuard<'_>) {
        if self.random.below(4) != 0 {
            self.wait(bql);
            self.check(bql);
        }
        self.note("continue");
        let answer = migration::migrate_continue(bql, PreSwitchover);
        match (answer, self.current()) {
            (Err(CommandError::NoObject), None) => {}
            (Ok(()), Some(object)) => {
                assert_eq!(object.attempts[OUT].status, PreSwitchover);
                object.attempts[OUT].continued = true;
            }
            (Err(CommandError::Refused(MigrationError::NotPaused { .. })), Some(object)) => {
                assert_ne!(object.attempts[OUT].status, PreSwitchover);
            }
            (answer, _) => panic!("{answer:?}"),
        }
    }

    fn shut_down(&mut self, bql: &mut BqlGuard<'_>) {
        let Some((right, mut object)) = self.right.take() else {
            return;
        };
        self.note("shutdown");
        let retired = migration::shutdown(right, bql);
        for attempt in object.attempts.iter_mut().filter(|attempt| attempt.runs()) {
            attempt.stop(Stop::Cancel);
        }
        let keep = self.random.flip().then_some(retired);
        self.retired.push((keep, object));
    }

    #[track_caller]
    fn set_parameters(&mut self, bql: &mut BqlGuard<'_>) {
        self.note("set_parameters");
        let valid = self.random.below(4) != 0;
        let rounds = if valid { self.random.below(1001) } else { 1001 };
        // The mode is what the next migration is, and it is changed in a quiet moment.
        let mode = if self.is_quiet() && self.random.below(3) == 0 {
            self.random.one(&MODES)
        } else {
            self.parameters().mode
        };
        let parameters = MigrationParameters {
            mode,
            announce: AnnounceParameters {
                rounds: u32::try_from(rounds).expect("a small number"),
                ..Default::default()
            },
            ..Default::default()
        };
        match (migration::set_parameters(bql, parameters), self.current()) {
            (Err(CommandError::NoObject), None) => {}
            (Err(CommandError::Parameter(_)), Some(_)) => assert!(!valid),
            (Ok(()), Some(object)) => {
                assert!(valid);
                object.parameters = parameters;
            }
            (answer, _) => panic!("{answer:?}"),
        }
    }

    #[track_caller]
    fn set_capabilities(&mut self, bql: &mut BqlGuard<'_>) {
        self.note("set_capabilities");
        let pause_before_switchover = self.random.below(4) != 0;
        let capabilities = MigrationCapabilities { pause_before_switchover, ..Default::default() };
        match (migration::set_capabilities(bql, capabilities), self.current()) {
            (Err(CommandError::NoObject), None) => {}
            (Err(CommandError::Refused(MigrationError::Busy { .. })), Some(object)) => {
                assert!(object.runs());
            }
            (Ok(()), Some(object)) => {
                assert!(!object.runs());
                object.capabilities = capabilities;
            }
            (answer, _) => panic!("{answer:?}"),
        }
    }

    /// Waits for what must happen: the end of a migration, or the pause before it.
    #[track_caller]
    fn wait(&mut self, bql: &mut BqlGuard<'_>) {
        self.note("wait");
        self.release(bql, |model, thread| {
            let Some((_, object)) = &model.right else {
                return;
            };
            for (attempt, observer) in object.attempts.iter().zip(&object.observers) {
                if !attempt.runs() {
                    continue;
                }
                let ends = attempt.ends();
                let pauses = attempt.pauses && !attempt.continued && !attempt.refused;
                let far = |status: MigrationStatus| {
                    status.is_terminal()
                        || ends.is_empty()
                            && (status == PreSwitchover
                                || !pauses && status == Device
                                || attempt.peer == Peer::Late
                                || attempt.direction == Direction::Incoming && status == Active)
                };
                let status = observer.wait(thread, DEADLINE, |status, _| far(status));
                assert!(far(status), "{status} for ever, not {ends:?}: {attempt:?}");
            }
        });
    }

    /// Everything is shut down and given back, and then it is gone. What is left are observers.
    #[track_caller]
    fn finish(mut self, bql: &mut BqlGuard<'_>) -> Vec<Observer> {
        self.shut_down(bql);
        self.check(bql);
        self.release(bql, |model, thread| {
            for (_, object) in &model.retired {
                for (attempt, observer) in object.attempts.iter().zip(&object.observers) {
                    let over = |status: MigrationStatus| !status.is_running();
                    let status = observer.wait(thread, DEADLINE, |status, _| over(status));
                    assert!(over(status), "{status} for ever: {attempt:?}");
                }
            }
        });
        self.check(bql);
        let retired = std::mem::take(&mut self.retired);
        let (counts, objects): (Vec<_>, Vec<_>) = retired.into_iter().unzip();
        drop(counts);
        for object in &objects {
            let dropped = bql.unlocked(|thread| object.life.wait_until_dropped(thread, DEADLINE));
            assert!(dropped, "{:?}", object.life.events());
            assert_one_life(&object.life);
        }
        // Every thread is gone, and so every notifier has heard everything.
        self.check(bql);
        drop(self.notifiers);
        drop(self.blockers);
        migration::set_only_migratable(bql, false);
        assert!(migration::blocked_reasons(bql).is_empty());
        assert!(self.kept.iter().all(|observer| !observer.is_running()), "true for ever");
        self.kept
    }
}

/// Made, shown, taken away and dropped, once each and in this order; and every count given back,
/// the owner's too.
#[track_caller]
fn assert_one_life(life: &Life) {
    let events = life.events().into_iter().map(|event| event.what);
    let (counts, events): (Vec<_>, Vec<_>) =
        events.partition(|what| matches!(what, LifeEventKind::Counted | LifeEventKind::GivenBack));
    let given_back = counts.iter().filter(|what| **what == LifeEventKind::GivenBack).count();
    assert_eq!(given_back, counts.len() - given_back + 1, "{counts:?}");
    let [created, published, retired, dropped] = [
        LifeEventKind::Created,
        LifeEventKind::Published,
        LifeEventKind::Retired,
        LifeEventKind::Dropped,
    ];
    assert_eq!(events, [created, published, retired, dropped]);
}

#[test]
fn every_answer_is_the_models() {
    let _turn = my_turn();
    let mut thread = attach();
    let (began, seeds) = (Instant::now(), seeds(SEQUENCES));
    let mut reached = Vec::new();
    for &seed in &seeds {
        let script = Arc::<Mutex<String>>::default();
        let _say = SaySeed(seed, Arc::clone(&script));
        let mut bql = thread.lock();
        let mut model = Model {
            random: Random(seed),
            narrow: seed.is_multiple_of(4),
            script,
            right: None,
            retired: Vec::new(),
            blockers: Vec::new(),
            notifiers: Vec::new(),
            only_migratable: false,
            number: 0,
            kept: Vec::new(),
        };
        model.check(&mut bql);
        for _ in 0..STEPS {
            model.step(&mut bql);
            model.check(&mut bql);
        }
        for observer in model.finish(&mut bql) {
            reached.extend(observer.history());
        }
    }
    reached.sort_by_key(|status| *status as u8);
    reached.dedup();
    assert!(seeds.len() == 1 || reached.len() == 9, "some status was never reached: {reached:?}");
    println!("{} sequences of {STEPS} steps in {:?}", seeds.len(), began.elapsed());
}

/// What holds at any time, whatever other threads do.
#[track_caller]
fn check_at_any_time(bql: &mut BqlGuard<'_>, random: &mut Random, kept: &mut Vec<Observer>) {
    let running = migration::is_running(bql);
    assert_eq!(migration::is_idle(bql), !running);
    assert!(!migration::thread_is_self(bql));
    assert!(running || !migration::is_setup_or_active(bql));
    assert!(running || !migration::is_active(bql) && !migration::is_device(bql));
    assert!(!(migration::is_active(bql) && migration::is_device(bql)));
    assert_eq!(migration::announce_params(bql), migration::parameters(bql).announce);
    let observer = migration::observer(bql, Direction::Outgoing);
    assert_eq!(observer.is_some(), migration::life(bql).is_some());
    if let Some(observer) = observer {
        assert_eq!(observer.is_running(), running);
        assert!(!(observer.status().is_terminal() && migration::is_running(bql)));
        kept.push(observer);
        if kept.len() > 4 {
            kept.swap_remove(random.below(4) as usize);
        }
    } else {
        assert!(!running, "nothing runs without an object");
        assert_eq!(migration::capabilities(bql), MigrationCapabilities::default());
    }
    assert_eq!(migration::is_running(bql), running, "the BQL was held all the time");
}

/// One random operation of a thread that is not the owner.
#[track_caller]
fn act(bql: &mut BqlGuard<'_>, random: &mut Random, held: &mut Held) {
    let running = migration::is_running(bql);
    let exists = migration::life(bql).is_some();
    match random.below(10) {
        0 | 1 => {
            let (endpoint, end) = pair();
            let endpoint = match random.below(3) {
                0 => endpoint,
                1 => Uri::File { path: "/dev/null".into(), offset: 0 }.into(),
                _ => Uri::Unix("/nowhere/socket".into()).into(),
            };
            does(RunState::Running);
            match migration::migrate(bql, endpoint) {
                Ok(()) => {
                    assert!(exists && !running);
                    assert!(migration::is_setup_or_active(bql) && !migration::is_device(bql));
                    held.ends.push(end);
                }
                Err(CommandError::NoObject) => assert!(!exists),
                Err(CommandError::Refused(_)) => assert!(exists),
                Err(error) => panic!("{error:?}"),
            }
        }
        2 => {
            does(RunState::InMigrate);
            match migration::migrate_incoming(bql, pair().0) {
                Ok(()) => assert!(exists && !running),
                Err(CommandError::NoObject) => assert!(!exists),
                Err(CommandError::Refused(_)) => assert!(exists),
                Err(error) => panic!("{error:?}"),
            }
        }
        3 => {
            let word = migration::file_set_error(bql, "a word".into());
            assert!(running || word.is_err(), "nobody takes it");
        }
        4 => {
            migration::cancel(bql, Direction::Outgoing);
            assert_eq!(migration::is_running(bql), running, "it does not wait");
            migration::cancel(bql, Direction::Incoming);
        }
        5 => match migration::add_blocker_modes(bql, random.modes(), "a reason") {
            Ok(blocker) => {
                assert!(!running);
                held.blockers.push(blocker);
            }
            Err(CommandError::Busy { .. }) => assert!(running),
            Err(error) => panic!("{error:?}"),
        },
        6 => {
            held.blockers.clear();
            held.notifiers.pop();
        }
        7 => {
            let (releases, refuses) = (random.flip(), random.below(8) == 0);
            held.notifiers.push(migration::add_notifier_modes(
                bql,
                random.modes(),
                move |bql, event| {
                    let object = migration::life(bql).is_some();
                    assert_eq!(migration::is_idle(bql), !migration::is_running(bql));
                    assert!(object || !migration::thread_is_self(bql));
                    if releases {
                        bql.unlocked(|_| thread::yield_now());
                        migration::cancel(bql, Direction::Outgoing);
                    }
                    match event {
                        MigrationEvent::PrecopySetup if refuses => Err("not now".into()),
                        _ => Ok(()),
                    }
                },
            ));
        }
        8 => {
            let pause = MigrationCapabilities {
                pause_before_switchover: random.below(4) == 0,
                ..Default::default()
            };
            assert!(migration::set_capabilities(bql, pause).is_err() || exists && !running);
            let _ = migration::migrate_continue(bql, PreSwitchover);
        }
        _ => {
            let parameters = MigrationParameters {
                max_bandwidth: random.below(1 << 30),
                mode: if random.below(4) == 0 { random.one(&MODES) } else { MigMode::Normal },
                ..Default::default()
            };
            assert_eq!(migration::set_parameters(bql, parameters).is_ok(), exists);
        }
    }
}

/// What a thread owns of the face.
#[derive(Default)]
struct Held {
    ends: Vec<UnixStream>,
    blockers: Vec<Blocker>,
    notifiers: Vec<Notifier>,
    observers: Vec<Observer>,
}

/// Panics of notifiers are caught by the engine; here they are not lost.
fn count_panics() -> Arc<AtomicUsize> {
    let count = Arc::<AtomicUsize>::default();
    let (counts, before) = (Arc::clone(&count), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |panic| {
        counts.fetch_add(1, Ordering::SeqCst);
        before(panic);
    }));
    count
}

fn other_thread(seed: u64, over: &AtomicBool) {
    let mut random = Random(seed);
    let mut thread = attach();
    let mut held = Held::default();
    while !over.load(Ordering::SeqCst) {
        let mut bql = thread.lock();
        check_at_any_time(&mut bql, &mut random, &mut held.observers);
        act(&mut bql, &mut random, &mut held);
        check_at_any_time(&mut bql, &mut random, &mut held.observers);
        if random.flip() {
            bql.unlocked(|_| thread::yield_now());
            check_at_any_time(&mut bql, &mut random, &mut held.observers);
        }
        drop(bql);
        // An observer needs no lock.
        for observer in &held.observers {
            assert_claimed(Direction::Outgoing, &observer.history());
            let info = observer.info();
            assert!(info.remaining <= info.total, "{info:?}");
        }
        thread::yield_now();
    }
}

/// Makes objects and shuts them down, while others use the face.
fn owner(seed: u64) {
    let mut random = Random(seed);
    let mut thread = attach();
    let (mut lives, mut kept) = (Vec::new(), Vec::new());
    for _ in 0..6 {
        let mut bql = thread.lock();
        let host = obliging_machine(2).0;
        let object = migration::object_init(&mut bql, host).expect("only this thread makes one");
        let life = migration::life(&bql).expect("an object that was made");
        kept.extend(BOTH.map(|d| migration::observer(&bql, d).expect("an object")));
        lives.push(life);
        for _ in 0..random.below(12) {
            bql.unlocked(|_| thread::yield_now());
            check_at_any_time(&mut bql, &mut random, &mut Vec::new());
        }
        let retired = migration::shutdown(object, &mut bql);
        assert!(migration::is_idle(&bql) && migration::life(&bql).is_none());
        if random.flip() {
            drop(bql);
        }
        drop(retired);
    }
    for life in &lives {
        assert!(life.wait_until_dropped(&mut thread, DEADLINE), "{:?}", life.events());
        assert_one_life(life);
    }
    for observer in kept {
        let status = observer.status();
        assert!(status == Nothing || status.is_terminal(), "{status} for ever");
    }
}

#[test]
fn several_threads_at_once_get_answers_that_agree() {
    let _turn = my_turn();
    let panics = count_panics();
    let (began, seeds) = (Instant::now(), seeds(ROUNDS));
    for &seed in &seeds {
        let _say = SaySeed(seed, Arc::default());
        let over = Arc::<AtomicBool>::default();
        let (done, finished) = mpsc::channel();
        let mut threads = Vec::new();
        for number in 0..4 {
            let (done, over) = (done.clone(), Arc::clone(&over));
            let seed = Random(seed ^ number << 32).next();
            threads.push(thread::spawn(move || {
                if number == 0 {
                    let _over = SetAtEnd(over);
                    owner(seed);
                } else {
                    other_thread(seed, &over);
                }
                drop(done);
            }));
        }
        drop(done);
        // A channel nobody can send on any more: every thread has ended.
        let ended: Result<(), _> = finished.recv_timeout(2 * DEADLINE);
        assert_eq!(ended, Err(mpsc::RecvTimeoutError::Disconnected), "somebody is stuck");
        for thread in threads {
            assert!(thread.join().is_ok(), "a thread panicked");
        }
        assert_eq!(panics.load(Ordering::SeqCst), 0, "a notifier panicked");
    }
    let took: Duration = began.elapsed();
    println!("{} rounds of 4 threads in {took:?}", seeds.len());
}

struct SetAtEnd(Arc<AtomicBool>);

impl Drop for SetAtEnd {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
