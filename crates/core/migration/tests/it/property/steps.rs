//! One random operation on the face and on its model.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

use engine::MigrationState;
use migration::MigrationStatus::{Active, Device, PreSwitchover, Setup};
use migration::bql::BqlGuard;
use migration::{
    AnnounceParameters, CommandError, Direction, Endpoint, InitError, MigMode, MigModes,
    MigrationCapabilities, MigrationError, MigrationEvent, MigrationParameters, MigrationStatus,
    RunState, Uri,
};
use test_support::machine::Script;
use test_support::peer::pair;
use test_support::stream::encoded;
use test_support::wait::DEADLINE;
use wire::ReturnMessage;

use super::attempt::{Attempt, Peer, Stop};
use super::model::{BOTH, Heard, IN, Model, ModelNotifier, OUT, Object};
use super::random::MODES;
use crate::machines::{does, machine, obliging_machine};
use crate::turn::{object_init, shutdown};

impl Model {
    #[track_caller]
    pub(crate) fn step(&mut self, bql: &mut BqlGuard<'_>) {
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
                let host = machine(1, Script::default()).0;
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
        match (object_init(bql, host), &self.right) {
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
                end.write_all(&encoded(&ReturnMessage::Pong(1))).expect("a socket with room");
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

    pub(crate) fn shut_down(&mut self, bql: &mut BqlGuard<'_>) {
        let Some((right, mut object)) = self.right.take() else {
            return;
        };
        self.note("shutdown");
        let retired = shutdown(right, bql);
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
    pub(crate) fn wait(&mut self, bql: &mut BqlGuard<'_>) {
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
}
