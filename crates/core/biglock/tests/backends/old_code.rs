//! Code without tokens and code with them, on one mutex.

use std::mem;
use std::thread;

use biglock::attached::ByThreadLocal;
use biglock::{Guard, Guarded, Lock};

use crate::attach;

/// Two kinds of threads add to one count: one locks the mutex as it always did and borrows a guard
/// for the length of a call, the other has a token.
macro_rules! together {
    ($module:ident, $backend:ty, $mutex:ty) => {
        mod $module {
            use super::*;

            #[test]
            fn old_and_new_code_share_one_mutex() {
                static OLD: $mutex = <$mutex>::new(());
                type Backend = $backend;
                static LOCK: Backend = Backend::over(&OLD);
                enum Big {}
                impl Lock for Big {
                    type Backend = Backend;
                    const LOCK: &'static Backend = &LOCK;
                }
                static COUNT: Guarded<u64, Big> = Guarded::new(0);

                /// Code that was there before: its caller holds the mutex.
                fn add_under_the_mutex() {
                    // SAFETY: the caller locked the mutex, and this thread has no token.
                    unsafe { Guard::<Big>::lend(|guard| *COUNT.borrow_mut(guard) += 1) }
                }

                let old = thread::spawn(|| {
                    for _ in 0..2_000 {
                        let held = OLD.lock();
                        add_under_the_mutex();
                        drop(held);
                    }
                });
                let mut thread = attach::<Big>();
                for _ in 0..2_000 {
                    *COUNT.borrow_mut(&mut thread.lock()) += 1;
                }
                old.join().expect("a thread");
                assert_eq!(*COUNT.borrow(&thread.lock()), 4_000);

                // A mutex that old code keeps is taken for the new code too.
                mem::forget(OLD.lock());
                assert!(thread.try_lock().is_none());
            }
        }
    };
}

together!(
    older_parking_lot,
    biglock::lock_api::RawLock<&'static parking_lot_0_12::Mutex<()>, ByThreadLocal>,
    parking_lot_0_12::Mutex<()>
);
together!(
    newer_parking_lot,
    biglock::lock_api_0_5::RawLock<&'static parking_lot::Mutex<()>, ByThreadLocal>,
    parking_lot::Mutex<()>
);
