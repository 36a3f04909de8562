//! The turn to use the one global of this process, which a test that fails leaves free.
//!
//! A test that panics between `object_init` and `shutdown` would lose the right to shut its object
//! down, and each test after it would find an object that nobody can end. So a lost right is kept
//! for the end of the turn, when the thread has no token any more, and is used there.

use std::cell::RefCell;
use std::sync::{Arc, MutexGuard};
use std::thread;

use migration::bql::{BqlGuard, BqlUnlocked};
use migration::{Host, InitError, MigrationObject, Retired};
use test_support::machine::{Script, attach};

use crate::machines::machine;

thread_local! {
    static LOST: RefCell<Vec<MigrationObject>> = const { RefCell::new(Vec::new()) };
}

/// The right to shut down the object of a test. If it is dropped, [`Lost`] uses it.
#[derive(Debug)]
pub(crate) struct Owned(Option<MigrationObject>);

impl Drop for Owned {
    fn drop(&mut self) {
        LOST.with_borrow_mut(|lost| lost.extend(self.0.take()));
    }
}

/// Makes the object of a test.
#[track_caller]
pub(crate) fn object_init(
    bql: &mut BqlGuard<'_>,
    host: impl Into<Arc<Host>>,
) -> Result<Owned, InitError> {
    migration::object_init(bql, host).map(|object| Owned(Some(object)))
}

/// Shuts it down.
pub(crate) fn shutdown(mut object: Owned, bql: &mut BqlGuard<'_>) -> Retired {
    migration::shutdown(object.0.take().expect("taken here only"), bql)
}

/// Shuts down what its thread lost, when dropped. A thread that makes an object binds it before its
/// token, so that it is dropped after it.
pub(crate) struct Lost;

impl Drop for Lost {
    fn drop(&mut self) {
        for object in LOST.take() {
            // If a token is left on this thread, the object stays: nothing else can be done.
            if let Ok(mut thread) = BqlUnlocked::attach() {
                let retired = migration::shutdown(object, &mut thread.lock());
                retired.give_back(&mut thread);
            }
        }
    }
}

/// The turn of a test. What the test lost is shut down before the next one has its turn.
pub(crate) struct Turn {
    _lost: Lost,
    _turn: MutexGuard<'static, ()>,
}

/// Waits for the turn of this test, which ends with what is returned.
pub(crate) fn my_turn() -> Turn {
    let turn = test_support::turn::my_turn();
    Turn { _lost: Lost, _turn: turn }
}

#[test]
fn a_test_that_fails_leaves_the_face_free_for_the_next() {
    /// Has no turn of its own, since the whole test is one.
    fn fails() {
        let _lost = Lost;
        let mut thread = attach();
        let mut bql = thread.lock();
        let _object = object_init(&mut bql, machine(1, Script::default()).0).expect("left free");
        panic!("a test that fails");
    }
    let _turn = my_turn();
    for _ in 0..2 {
        let failed = thread::spawn(fails).join().expect_err("it panics");
        assert_eq!(failed.downcast_ref(), Some(&"a test that fails"));
    }
    let mut thread = attach();
    assert!(migration::life(&thread.lock()).is_none());
}
