//! The primitives under the shapes: the standard library's and two crates', or loom's.

#[cfg(not(loom))]
pub(crate) use std::{
    sync::{
        Arc, Arc as Strong, Mutex, MutexGuard, OnceLock, Weak,
        atomic::{AtomicU32, AtomicUsize},
    },
    thread::{Builder, JoinHandle, current},
};

#[cfg(not(loom))]
pub(crate) use arc_swap::ArcSwapOption;

#[cfg(loom)]
pub(crate) use loom::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU32, AtomicUsize},
    },
    thread::{Builder, JoinHandle, current},
};

#[cfg(loom)]
pub(crate) use crate::stand_in::{ArcSwapOption, OnceLock, Strong, Weak};

/// The thread that runs the migration (`mig/src/main`).
pub(crate) const MIGRATION: &str = "migration";
/// A thread outside migration that asks a helper without the BQL.
pub(crate) const VCPU: &str = "vcpu";

/// Locks, whatever happened to other holders.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Starts a thread of the scenario.
pub(crate) fn spawn<R: Send + 'static>(
    name: &'static str,
    run: impl FnOnce() -> R + Send + 'static,
) -> JoinHandle<R> {
    Builder::new().name(name.into()).spawn(run).expect("the system has another thread")
}

/// Which thread of the scenario this is.
pub(crate) fn thread_name() -> &'static str {
    match current().name() {
        Some(MIGRATION) => MIGRATION,
        Some(VCPU) => VCPU,
        _ => "main",
    }
}
