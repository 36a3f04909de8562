//! Each backend behind the tokens keeps the same promises.

mod attached;
mod old_code;
mod order;
mod promises;

use biglock::attached::ByThreadLocal;
use biglock::{CriticalSection, Guarded, Lock, StdMutex, Unlocked};

type Spin = biglock::lock_api::RawLock<spin::lock_api::Mutex<()>, ByThreadLocal>;
type ParkingLot012 = biglock::lock_api::RawLock<parking_lot_0_12::Mutex<()>, ByThreadLocal>;
type ParkingLot = biglock::lock_api_0_5::RawLock<parking_lot::Mutex<()>, ByThreadLocal>;
type Section = CriticalSection<ByThreadLocal>;
type Traced = biglock::trace::Traced<ParkingLot>;

/// Declares a marker, and the lock that it stands for.
macro_rules! lock {
    ($marker:ident, $backend:ty $(, $inside:expr)?) => {
        enum $marker {}
        impl biglock::Lock for $marker {
            type Backend = $backend;
            const LOCK: &'static $backend = {
                static LOCK: $backend = <$backend>::new($($inside)?);
                &LOCK
            };
        }
    };
}
use lock;

/// Attaches a thread that has no token.
fn attach<L: Lock>() -> Unlocked<L> {
    Unlocked::attach().expect("a thread without a token")
}

/// The tests of every backend, and of those that can do more.
macro_rules! backends {
    ($($module:ident: $backend:ty $(= around $inside:expr)?, $($more:ident)*;)*) => {
        $(mod $module {
            use super::*;

            lock!(Big, $backend $(, $inside)?);
            static COUNT: Guarded<u64, Big> = Guarded::new(0);

            #[test]
            fn its_promises_are_kept() {
                // One after the other: the lock is one.
                promises::one_thread_at_a_time(&COUNT);
                promises::one_token_a_thread::<Big>();
                promises::try_lock_takes_a_free_lock_only::<Big>();
                promises::printing_takes_no_lock::<Big>();
                $(promises::$more(&COUNT);)*
            }
        })*
    };
}

backends! {
    std_mutex: StdMutex, waits;
    spin_mutex: Spin, waits;
    older_parking_lot: ParkingLot012, waits waits_no_longer_than_told passes_on;
    newer_parking_lot: ParkingLot, waits waits_no_longer_than_told passes_on;
    section: Section,;
    traced: Traced = around ParkingLot::new(), waits waits_no_longer_than_told passes_on;
}
