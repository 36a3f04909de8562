//! Threads that are known by their numbers, or of which there is one.

use std::cell::Cell;
use std::thread;

use biglock::attached::{ByNumber, OneToken, ThreadNumber};
use biglock::{AttachError, CriticalSection, Unlocked};

use crate::{attach, lock};

thread_local! { static NUMBER: Cell<usize> = const { Cell::new(0) }; }

/// What a kernel would read of a register.
struct Numbered;

// SAFETY: the tests give each of their threads another number.
unsafe impl ThreadNumber for Numbered {
    fn current() -> usize {
        NUMBER.get()
    }
}

lock!(Two, CriticalSection<ByNumber<Numbered, 2>>);
lock!(One, CriticalSection<OneToken>);

#[test]
fn a_thread_is_known_by_its_number() {
    let token = attach::<Two>();
    assert_eq!(Unlocked::<Two>::attach().err(), Some(AttachError::AlreadyAttached));
    thread::scope(|scope| {
        scope.spawn(|| {
            NUMBER.set(1);
            let mut thread = attach::<Two>();
            drop(thread.lock());
        });
        scope.spawn(|| {
            NUMBER.set(2);
            let refused = Unlocked::<Two>::attach().expect_err("there are two places");
            assert_eq!(refused, AttachError::NoPlace);
            assert!(refused.to_string().contains("no place"), "{refused}");
        });
    });
    drop(token);
    drop(attach::<Two>());
}

#[test]
fn one_token_is_one_in_the_whole_program() {
    let token = attach::<One>();
    assert_eq!(Unlocked::<One>::attach().err(), Some(AttachError::AlreadyAttached));
    let elsewhere = || Unlocked::<One>::attach().err();
    let refused = thread::spawn(elsewhere).join().expect("a thread");
    assert_eq!(refused, Some(AttachError::AlreadyAttached));
    drop(token);
    assert_eq!(thread::spawn(elsewhere).join().expect("a thread"), None);
}
