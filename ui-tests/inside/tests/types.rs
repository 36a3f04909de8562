//! Which of the engine's types may be sent, shared and copied.
//!
//! These stand here and not in the library: there they would stop a weakening from being
//! built, and no case would be asked.

use std::sync::Arc;

use engine::incoming::{Arrived, Connected, Loaded};
use engine::outgoing::{Active, Completed, Converged, Failed, Setup, Switchover};
use engine::{
    Begun, Blocker, Cleaned, Life, MigrationState, MigrationStatus, Notifier, Observer, RamBlock,
    VmArrived, VmStopped, VmWaiting,
};
use static_assertions::{assert_impl_all, assert_not_impl_any};

// A migration begins once, is in one phase at a time, and ends once.
assert_not_impl_any!(Begun: Clone, Copy, Default);
assert_not_impl_any!(Setup: Clone, Copy, Default);
assert_not_impl_any!(Active: Clone, Copy, Default);
assert_not_impl_any!(Converged: Clone, Copy, Default);
assert_not_impl_any!(Switchover: Clone, Copy, Default);
assert_not_impl_any!(Completed: Clone, Copy, Default);
assert_not_impl_any!(Failed: Clone, Copy, Default);
assert_not_impl_any!(Connected: Clone, Copy, Default);
assert_not_impl_any!(Loaded: Clone, Copy, Default);
assert_not_impl_any!(Arrived: Clone, Copy, Default);
assert_not_impl_any!(Cleaned: Clone, Copy, Default);

// The machine goes on once.
assert_not_impl_any!(VmStopped: Clone, Copy, Default);
assert_not_impl_any!(VmWaiting: Clone, Copy, Default);
assert_not_impl_any!(VmArrived: Clone, Copy, Default);
assert_not_impl_any!(RamBlock: Clone, Default);

// The object is one, and its counts may be kept and dropped on any thread.
assert_impl_all!(MigrationState: Send, Sync);
assert_not_impl_any!(MigrationState: Clone, Copy, Default);
assert_impl_all!(Arc<MigrationState>: Send, Sync);

// What may be kept without the lock may be kept anywhere. It shows a migration and is none.
assert_impl_all!(Observer: Send, Sync, Clone);
assert_not_impl_any!(Observer: Copy, Default);
assert_impl_all!(Life: Send, Sync, Clone);
assert_impl_all!(MigrationStatus: Send, Sync, Copy);

// A registration ends with its one handle, wherever that is dropped.
assert_impl_all!(Blocker: Send, Sync);
assert_not_impl_any!(Blocker: Clone, Copy, Default);
assert_impl_all!(Notifier: Send, Sync);
assert_not_impl_any!(Notifier: Clone, Copy, Default);

#[test]
fn an_observer_is_one_count() {
    assert_eq!(size_of::<Observer>(), size_of::<*const ()>());
}
