//! Errors: who owns them, and when they are seen.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use migration::{
    CommandError, Direction, MigrationCapabilities, MigrationStatus, Uri, error_chain,
};
use tempfile::TempDir;
use test_support::machine::attach;
use test_support::peer::pair;

use super::{begin, end, init, shut_down, still};
use crate::gate::hold_at_the_end;
use crate::turn::my_turn;

/// 2024, cleanup closed the channel while others set its error, and one access had no lock.
/// The channel belongs to the phase, which nobody else can reach
/// (`inside/fail/E0451_phase_taken_apart.rs`); others make a request.
#[test]
fn qemu_6dd4f44c4f_errors_from_outside_never_meet_the_channel() {
    let _turn = my_turn();
    let over = AtomicBool::new(false);
    let taken = AtomicUsize::new(0);
    thread::scope(|scope| {
        for number in 0..2 {
            let (over, taken) = (&over, &taken);
            scope.spawn(move || {
                let mut thread = attach();
                while !over.load(Ordering::SeqCst) {
                    let mut bql = thread.lock();
                    let running = migration::is_running(&bql);
                    let word = format!("device {number} is stuck");
                    match migration::file_set_error(&mut bql, word.clone()) {
                        Ok(()) => {
                            assert!(running);
                            taken.fetch_add(1, Ordering::SeqCst);
                        }
                        // None runs, or it has come to its end already.
                        Err(back) => assert_eq!(back, word, "it comes back whole"),
                    }
                    drop(bql);
                    thread::yield_now();
                }
            });
        }
        let mut thread = attach();
        let (object, life, observer) = init(&mut thread.lock(), still(4));
        let mut failed = 0;
        for _ in 0..50 {
            let peer = begin(&mut thread.lock());
            assert_eq!(end(&observer, &mut thread), MigrationStatus::Failed);
            drop(peer);
            let error = error_chain(&*observer.error().expect("an error"));
            assert!(error.starts_with("a device reports: device "), "{error}");
            failed += 1;
        }
        shut_down(object, &mut thread, &life);
        over.store(true, Ordering::SeqCst);
        assert!(taken.load(Ordering::SeqCst) >= failed, "one word a migration at least");
    });
}

/// 2025, the text of an error was made from arguments that were freed before. An error owns
/// what it names, and a use after a move does not compile (E0382, as
/// `inside/fail/E0382_load_twice.rs`).
#[test]
fn qemu_89471ef237_an_error_owns_what_it_names() {
    let _turn = my_turn();
    let mut thread = attach();
    let folder = TempDir::new().expect("a folder");
    let path: PathBuf = folder.path().join("nobody");
    let (object, life, observer) = init(&mut thread.lock(), still(1));
    migration::migrate(&mut thread.lock(), Uri::Unix(path.clone()).into()).expect("an idle object");
    assert_eq!(end(&observer, &mut thread), MigrationStatus::Failed);
    shut_down(object, &mut thread, &life);
    drop(folder);
    // The endpoint, the command's arguments and the object are gone.
    let error = error_chain(&*observer.error().expect("an error"));
    let expected = format!("cannot connect to unix:{}: ", path.display());
    assert!(error.starts_with(&expected), "{error}");
}

/// 2025, an error was freed twice on an error path, since two believed that it was theirs. It
/// is moved to whom it belongs, or comes back (E0382, as
/// `inside/fail/E0382_clean_up_twice.rs`).
#[test]
fn qemu_c1116b1d73_an_error_has_one_owner_on_every_path() {
    let _turn = my_turn();
    let mut thread = attach();
    let mut bql = thread.lock();
    let (object, life, observer) = init(&mut bql, still(1));
    let early = migration::file_set_error(&mut bql, "too early".into());
    assert_eq!(early, Err("too early".to_owned()), "mine again");
    let _peer = begin(&mut bql);
    // The first is the migration's, the second has nobody to keep it, and the third comes
    // together with a cancel.
    for word in ["first", "second"] {
        migration::file_set_error(&mut bql, word.into()).expect("one runs");
    }
    migration::cancel(&mut bql, Direction::Outgoing);
    migration::file_set_error(&mut bql, "third".into()).expect("it is not over");
    bql.unlocked(|thread| end(&observer, thread));
    let error = error_chain(&*observer.error().expect("an error"));
    assert_eq!(error, "a device reports: first");
    let late = migration::file_set_error(&mut bql, "too late".into());
    assert_eq!(late, Err("too late".to_owned()), "mine again");
    drop(bql);
    shut_down(object, &mut thread, &life);
}

/// 2025, `failed` was seen before cleanup ended, and capabilities that were changed in between
/// made cleanup fail an assertion. An end that is not cleaned up cannot be published
/// (`inside/fail/E0599_publish_before_cleanup.rs`).
#[test]
fn qemu_status_failing_failed_is_seen_when_cleanup_is_over() {
    let _turn = my_turn();
    let mut thread = attach();
    let mut bql = thread.lock();
    let (notifier, _opened, gate) = hold_at_the_end(&mut bql);
    let (object, life, observer) = init(&mut bql, still(4));
    migration::migrate(&mut bql, Uri::Unix("/nowhere/socket".into()).into()).expect("idle");
    bql.unlocked(|_| gate.wait_for(1));
    assert_eq!(observer.status(), MigrationStatus::Setup, "it has failed, and cleans up");
    assert!(migration::is_running(&bql));
    let pause = MigrationCapabilities { pause_before_switchover: true, ..Default::default() };
    let refused = migration::set_capabilities(&bql, pause);
    assert!(matches!(refused, Err(CommandError::Refused(_))), "{refused:?}");
    let (endpoint, _peer) = pair();
    let second = migration::migrate(&mut bql, endpoint);
    assert!(matches!(second, Err(CommandError::Refused(_))), "{second:?}");
    gate.open();
    assert_eq!(bql.unlocked(|thread| end(&observer, thread)), MigrationStatus::Failed);
    migration::set_capabilities(&bql, pause).expect("cleanup is over");
    drop((bql, notifier));
    shut_down(object, &mut thread, &life);
}
