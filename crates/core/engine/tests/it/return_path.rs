//! What the source makes of what the destination says while memory is sent.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use engine::{Direction, MigrationError, MigrationStatus};
use test_support::machine::{Script, Site, attach};
use test_support::peer;
use test_support::stream::{Reader, encoded};
use wire::{Command, Record, ReturnMessage};

/// Reads to the question at the end of the first pass.
fn asked(input: &mut Reader<&UnixStream>) -> u32 {
    loop {
        if let Record::Command(Command::Ping(number)) = input.next_record().expect("a stream") {
            return number;
        }
    }
}

/// The error of a migration whose destination answers the question with `answers`, and goes.
fn error_after(answers: impl FnOnce(u32) -> Vec<ReturnMessage>) -> (Site, Arc<MigrationError>) {
    let mut thread = attach();
    let (endpoint, peer) = peer::pair();
    let source = Site::source(1, Script::default());
    source.migrate(&mut thread, endpoint).expect("an idle object");
    let number = asked(&mut peer::stream(&peer).expect("a stream"));
    for answer in answers(number) {
        peer::say(&peer, &answer).expect("a source that listens");
    }
    drop(peer);
    assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Failed);
    let error = source.observer(Direction::Outgoing).error().expect("an error");
    source.assert_runs_on();
    (source, error)
}

#[test]
fn the_machine_is_not_stopped_before_the_destination_has_caught_up() {
    let (source, error) = error_after(|number| vec![ReturnMessage::Pong(number + 1)]);
    assert!(matches!(*error, MigrationError::PeerClosed { .. }), "{error:?}");
    assert_eq!(source.machine.count("stop"), 0, "{:?}", source.machine.trace());

    let (source, _) = error_after(|number| vec![ReturnMessage::Pong(number)]);
    assert_eq!(source.machine.count("stop"), 1, "{:?}", source.machine.trace());
}

#[test]
fn a_destination_that_fails_during_a_pass_is_heard_before_the_machine_is_stopped() {
    let (source, error) = error_after(|_| vec![ReturnMessage::Shut(1)]);
    assert!(matches!(*error, MigrationError::DestinationFailed { code: 1 }), "{error:?}");
    assert_eq!(source.machine.count("stop"), 0, "{:?}", source.machine.trace());
}

#[test]
fn a_destination_that_has_everything_before_the_end_is_an_error() {
    let (source, error) = error_after(|_| vec![ReturnMessage::Shut(0)]);
    let MigrationError::Unanswered { source: found, .. } = &*error else {
        panic!("{error:?}");
    };
    assert!(found.to_string().contains("expected PONG on the return path, found SHUT"), "{found}");
    assert_eq!(source.machine.count("stop"), 0, "{:?}", source.machine.trace());
}

#[test]
fn what_comes_with_the_answer_is_heard_at_the_end() {
    let mut thread = attach();
    let (endpoint, peer) = peer::pair();
    let source = Site::source(1, Script::default());
    source.migrate(&mut thread, endpoint).expect("an idle object");
    let mut input = peer::stream(&peer).expect("a stream");
    let number = asked(&mut input);
    // One write: the source may read no further than the answer.
    let both = [ReturnMessage::Pong(number), ReturnMessage::Shut(7)].map(|m| encoded(&m)).concat();
    (&peer).write_all(&both).expect("a source that listens");
    while !matches!(input.next_record(), Ok(Record::VmDescription(_)) | Err(_)) {}

    assert_eq!(source.end(&mut thread, Direction::Outgoing), MigrationStatus::Failed);
    let error = source.observer(Direction::Outgoing).error().expect("an error");
    assert!(matches!(*error, MigrationError::DestinationFailed { code: 7 }), "{error:?}");
    assert_eq!(source.machine.count("stop"), 1, "{:?}", source.machine.trace());
    source.assert_runs_on();
}
