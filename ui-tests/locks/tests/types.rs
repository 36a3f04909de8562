//! Which of the lock crates' types may be sent, shared and copied, for every kind of content.
//!
//! These stand here and not in the libraries: there they would stop a weakening from being
//! built, and no case would be asked.

use std::cell::Cell;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;
use std::sync::MutexGuard;

use biglock::trace::Traced;
use biglock::{
    Access, AttachError, Condvar, Guard, Guarded, Holding, SameCell, StdMutex, Unlocked,
};
use bql::{Bql, BqlCondvar, BqlGuard, BqlGuarded, BqlUnlocked};
use exported::{AlreadyPublished, Exported, Publication};
use static_assertions::{assert_impl_all, assert_not_impl_any, assert_type_eq_all};

/// Contents of the four kinds.
type SendSync = u32;
type SendOnly = Cell<u32>;
type SyncOnly = PhantomData<MutexGuard<'static, u32>>;
type Neither = Rc<u32>;

assert_impl_all!(SendSync: Send, Sync);
assert_impl_all!(SendOnly: Send);
assert_not_impl_any!(SendOnly: Sync);
assert_impl_all!(SyncOnly: Sync);
assert_not_impl_any!(SyncOnly: Send);
assert_not_impl_any!(Neither: Send, Sync);

// The tokens stay on their thread, and there is one of each.
assert_not_impl_any!(Unlocked<Bql>: Send, Sync, Clone, Copy, Default);
assert_not_impl_any!(Guard<'static, Bql>: Send, Sync, Clone, Copy, Default);

// Guarded data moves between threads under the lock, and is never used by two at once.
assert_impl_all!(Guarded<SendSync, Bql>: Send, Sync);
assert_impl_all!(Guarded<SendOnly, Bql>: Send, Sync);
assert_not_impl_any!(Guarded<SyncOnly, Bql>: Send, Sync);
assert_not_impl_any!(Guarded<Neither, Bql>: Send, Sync);
assert_not_impl_any!(Guarded<SendSync, Bql>: Clone, Copy);

// An export is read on every thread and may be dropped on any.
assert_impl_all!(Exported<SendSync, Bql>: Send, Sync);
assert_not_impl_any!(Exported<SendOnly, Bql>: Send, Sync);
assert_not_impl_any!(Exported<SyncOnly, Bql>: Send, Sync);
assert_not_impl_any!(Exported<Neither, Bql>: Send, Sync);
assert_not_impl_any!(Exported<SendSync, Bql>: Clone, Copy);

// The right to retire stays with who published, and is one.
assert_not_impl_any!(Publication<SendSync, Bql>: Send, Sync, Clone, Copy, Default);
assert_impl_all!(AlreadyPublished<SendSync>: std::error::Error, Send, Sync);
assert_not_impl_any!(AlreadyPublished<SendOnly>: Send, Sync);

// Waking somebody needs no lock.
assert_impl_all!(Condvar<Bql>: Send, Sync);
assert_not_impl_any!(Condvar<Bql>: Clone, Copy);

assert_impl_all!(StdMutex: Send, Sync);
assert_not_impl_any!(StdMutex: Clone, Copy);
assert_impl_all!(Traced<StdMutex>: Send, Sync);
assert_not_impl_any!(Traced<StdMutex>: Clone, Copy);
assert_impl_all!(AttachError: std::error::Error, Send, Sync, Copy);

// A trait object is exported if its trait says what a type would have to be.
trait Device {}
assert_impl_all!(Exported<dyn Device + Send + Sync, Bql>: Send, Sync);
assert_not_impl_any!(Exported<dyn Device, Bql>: Send, Sync);
assert_not_impl_any!(Exported<dyn Device + Send, Bql>: Send, Sync);

// A panic leaves these in a state that they may always have.
assert_impl_all!(Unlocked<Bql>: UnwindSafe);
assert_impl_all!(Holding<'static, Bql>: UnwindSafe, RefUnwindSafe);
assert_impl_all!(Condvar<Bql>: UnwindSafe, RefUnwindSafe);
assert_impl_all!(AttachError: UnwindSafe, RefUnwindSafe);
assert_impl_all!(SameCell: std::error::Error, Send, Sync, Copy, UnwindSafe, RefUnwindSafe);

// It may leave guarded data half written, and these give access to some. A shared guard is left
// out too, so `Unlocked`, which a guard borrows, is not `RefUnwindSafe`.
assert_not_impl_any!(Unlocked<Bql>: RefUnwindSafe);
assert_not_impl_any!(Guard<'static, Bql>: UnwindSafe, RefUnwindSafe);
assert_not_impl_any!(Access<'static, Bql>: UnwindSafe, RefUnwindSafe);
assert_not_impl_any!(Guarded<SendSync, Bql>: RefUnwindSafe);

// A place and the right to empty it are as their object in an `Arc`.
assert_impl_all!(Exported<SendSync, Bql>: UnwindSafe, RefUnwindSafe);
assert_impl_all!(Publication<SendSync, Bql>: UnwindSafe, RefUnwindSafe);
assert_impl_all!(AlreadyPublished<SendSync>: UnwindSafe);
assert_not_impl_any!(Exported<Guarded<SendSync, Bql>, Bql>: UnwindSafe, RefUnwindSafe);
assert_not_impl_any!(Publication<Guarded<SendSync, Bql>, Bql>: UnwindSafe, RefUnwindSafe);
assert_not_impl_any!(AlreadyPublished<Guarded<SendSync, Bql>>: UnwindSafe);

// The parts of a split guard stay on its thread, and the one that writes is not duplicated.
assert_not_impl_any!(Holding<'static, Bql>: Send, Sync, Default);
assert_not_impl_any!(Access<'static, Bql>: Send, Sync, Clone, Copy, Default);

// The marker is no value.
assert_not_impl_any!(Bql: Clone, Default);
assert_type_eq_all!(BqlGuard<'static>, Guard<'static, Bql>);
assert_type_eq_all!(BqlUnlocked, Unlocked<Bql>);
assert_type_eq_all!(BqlGuarded<u8>, Guarded<u8, Bql>);
assert_type_eq_all!(BqlCondvar, Condvar<Bql>);

#[test]
fn the_types_cost_what_they_replace() {
    let pointer = size_of::<*const ()>();
    assert_eq!(size_of::<Guard<'_, Bql>>(), pointer);
    assert_eq!(size_of::<Option<Guard<'_, Bql>>>(), pointer);
    assert_eq!(size_of::<Exported<u64, Bql>>(), pointer);
    assert_eq!(size_of::<Publication<u64, Bql>>(), pointer);
    assert_eq!(size_of::<Guarded<u64, Bql>>(), size_of::<u64>());
    assert_eq!(size_of::<(Holding<'_, Bql>, Access<'_, Bql>)>(), 0);
    assert_eq!(size_of::<Exported<dyn Device + Send + Sync, Bql>>(), size_of::<&dyn Device>());
}
