//! What is asked and said when there is no object yet, not any more, or another one.

use engine::MigrationState;
use migration::bql::BqlGuard;
use migration::{
    Direction, InitError, MigrationCapabilities, MigrationParameters, MigrationStatus, error_chain,
};
use test_support::machine::{MANY_PAGES, attach};
use test_support::peer::pair;

use super::{begin, gone, init, is_dropped, shut_down, still, wait_until};
use crate::gate::hold_at_the_end;
use crate::turn::{my_turn, object_init, shutdown};

/// 2019, a blocker could not be added before the object was made.
#[test]
fn qemu_daff7f0bbe_a_blocker_may_come_before_the_object() {
    let _turn = my_turn();
    let mut thread = attach();
    let mut bql = thread.lock();
    let blocker = migration::add_blocker(&mut bql, "an early disk").expect("no migration runs");
    let (object, life, observer) = init(&mut bql, still(1));
    let (endpoint, _peer) = pair();
    let refused = migration::migrate(&mut bql, endpoint).expect_err("blocked");
    assert_eq!(refused.to_string(), "migration is blocked: an early disk");
    assert_eq!(observer.status(), MigrationStatus::None, "it did not begin");
    drop((bql, blocker));
    shut_down(object, &mut thread, &life);
}

/// 2024, `migration_is_running` lost its NULL check, and a disk that adds a blocker before the
/// object is made crashed the process. Who asks without an object is answered.
#[test]
fn qemu_4daff81efb_whether_one_runs_may_be_asked_before_there_is_an_object() {
    let _turn = my_turn();
    let mut thread = attach();
    let mut bql = thread.lock();
    assert!(migration::life(&bql).is_none(), "no object");
    assert!(!migration::is_running(&bql) && migration::is_idle(&bql));
    let disk = migration::add_blocker_normal(&mut bql, "format vdi").expect("none runs");
    assert_eq!(migration::blocked_reasons(&mut bql), ["format vdi"]);
    drop(disk);
}

/// January 2026, `query-migrate` came out of the monitor's queue after shutdown and read the
/// freed object. The object is not there to be read
/// (`outside/fail/E0382_query_after_shutdown.rs`), and the questions have an answer.
#[test]
fn qemu_january_2026_a_query_after_shutdown_has_an_answer() {
    let _turn = my_turn();
    let mut thread = attach();
    let mut bql = thread.lock();
    let (notifier, _opened, gate) = hold_at_the_end(&mut bql);
    let (object, life, kept) = init(&mut bql, still(MANY_PAGES));
    let parameters = MigrationParameters { max_bandwidth: 1 << 20, ..Default::default() };
    migration::set_parameters(&bql, parameters).expect("parameters in their range");
    let _peer = begin(&mut bql);
    bql.unlocked(|thread| wait_until(&kept, thread, MigrationStatus::Active));
    drop(shutdown(object, &mut bql));
    let queries = |bql: &mut BqlGuard<'_>, when: &str| {
        assert_eq!(migration::parameters(bql), MigrationParameters::default(), "{when}");
        assert_eq!(migration::capabilities(bql), MigrationCapabilities::default(), "{when}");
        assert!(migration::is_idle(bql) && !migration::is_running(bql), "{when}");
        assert!(migration::observer(bql, Direction::Outgoing).is_none(), "{when}");
        assert!(migration::blocked_reasons(bql).is_empty(), "{when}");
    };
    queries(&mut bql, "just after shutdown");
    bql.unlocked(|_| gate.wait_for(1));
    queries(&mut bql, "while the thread cleans up");
    gate.open();
    bql.unlocked(|thread| gone(&life, thread));
    queries(&mut bql, "when the object is gone");
    assert_eq!(kept.status(), MigrationStatus::Cancelled, "what was kept before tells the end");
    assert!(kept.info().total > 0);
    drop(notifier);
}

/// VFIO's VM-state callback sets an error when the machine stops, which is after shutdown:
/// QEMU took a mutex that was destroyed. The error comes back to its owner.
#[test]
fn qemu_vm_state_callback_an_error_after_shutdown_comes_back() {
    let _turn = my_turn();
    let mut thread = attach();
    let mut bql = thread.lock();
    let (notifier, _opened, gate) = hold_at_the_end(&mut bql);
    let (object, life, observer) = init(&mut bql, still(MANY_PAGES));
    let _peer = begin(&mut bql);
    drop(shutdown(object, &mut bql));
    let callback = |bql: &mut BqlGuard<'_>, when: &str| {
        let word = migration::file_set_error(bql, "the card does not stop".into());
        assert_eq!(word, Err("the card does not stop".to_owned()), "{when}");
    };
    callback(&mut bql, "just after shutdown");
    bql.unlocked(|_| gate.wait_for(1));
    callback(&mut bql, "while the thread cleans up");
    gate.open();
    bql.unlocked(|thread| gone(&life, thread));
    callback(&mut bql, "when the object is gone");
    let error = error_chain(&*observer.error().expect("an error"));
    assert_eq!(error, "cancelled", "the migration did not get the word");
    drop(notifier);
}

/// Device introspection makes a temporary object; a pointer that is set when one is made and
/// cleared when one is destroyed then points to the wrong one, or to none. Only who publishes
/// sets it, and the engine cannot name it (`inside/fail/E0433_ask_the_face.rs`).
#[test]
fn qemu_introspection_a_temporary_object_changes_nothing() {
    let _turn = my_turn();
    let mut thread = attach();
    let mut bql = thread.lock();
    let temporary = || MigrationState::new(still(4)).expect("an object");
    drop(temporary());
    assert!(migration::life(&bql).is_none(), "made and dropped before the one object");

    let (object, life, observer) = init(&mut bql, still(MANY_PAGES));
    let _peer = begin(&mut bql);
    bql.unlocked(|thread| wait_until(&observer, thread, MigrationStatus::Active));
    let other = temporary();
    let other_life = other.life().clone();
    let other_observer = other.observer(Direction::Outgoing);
    let blocker = other.registrations_mut(&mut bql).add_blocker("only the temporary one");
    let (endpoint, _other_peer) = pair();
    let blocked = engine::migrate(other.counted(), &mut bql, endpoint);
    assert!(blocked.is_err(), "its own blocker");
    drop(blocker);
    let (endpoint, _other_peer) = pair();
    engine::migrate(other.counted(), &mut bql, endpoint).expect("nothing of its own runs");
    other.cancel(&mut bql, Direction::Outgoing);
    drop(other);
    bql.unlocked(|thread| gone(&other_life, thread));
    assert_eq!(other_observer.status(), MigrationStatus::Cancelled);

    assert!(migration::is_active(&bql), "the one object did not notice");
    assert!(!is_dropped(&life) && migration::blocked_reasons(&mut bql).is_empty());
    let second = object_init(&mut bql, still(1));
    assert!(matches!(second, Err(InitError::Exists)), "a temporary one is not for the outside");
    assert!(migration::is_active(&bql), "nor does a refused one change anything");
    drop(bql);
    shut_down(object, &mut thread, &life);
}
