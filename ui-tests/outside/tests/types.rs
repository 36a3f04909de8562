//! Which of the face's types may be sent, shared and copied.
//!
//! These stand here and not in the library: there they would stop a weakening from being
//! built, and no case would be asked.

use machine::{DirtyTracking, Vcpu};
use migration::{
    Blocker, Device, DirtyLog, Host, MigrationInfo, MigrationObject, MigrationStatus, Notifier,
    Observer, RamBlock, Retired, Vm, VmArrived, VmStopped, VmWaiting,
};
use static_assertions::{assert_impl_all, assert_not_impl_any};

// The right to shut the object down stays on the thread that made it, and is one.
assert_not_impl_any!(MigrationObject: Send, Sync, Clone, Copy, Default);

// What is left after shutdown may be dropped on another thread; it is one count.
assert_impl_all!(Retired: Send, Sync);
assert_not_impl_any!(Retired: Clone, Copy, Default);

// What may be kept without the lock may be kept anywhere.
assert_impl_all!(Observer: Send, Sync, Clone);
assert_not_impl_any!(Observer: Default);
assert_impl_all!(MigrationInfo: Send, Sync, Clone);
assert_impl_all!(MigrationStatus: Send, Sync, Copy);

// A registration ends with its one handle, wherever that is dropped.
assert_impl_all!(Blocker: Send, Sync);
assert_not_impl_any!(Blocker: Clone, Copy, Default);
assert_impl_all!(Notifier: Send, Sync);
assert_not_impl_any!(Notifier: Clone, Copy, Default);

// The machine goes on once, here or there, and its state is replaced by one migration.
assert_not_impl_any!(VmStopped: Clone, Copy, Default);
assert_not_impl_any!(VmArrived: Clone, Copy, Default);
assert_not_impl_any!(VmWaiting: Clone, Copy, Default);

// A machine and its log have one owner; a vCPU is none.
assert_not_impl_any!(Host: Clone, Default);
assert_not_impl_any!(RamBlock: Clone, Default);
assert_not_impl_any!(DirtyTracking: Clone, Default);
assert_not_impl_any!(Vcpu: Vm, Device, DirtyLog);

#[test]
fn an_observer_is_one_count() {
    assert_eq!(size_of::<Observer>(), size_of::<*const ()>());
}
