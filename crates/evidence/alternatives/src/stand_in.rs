//! Stand-ins, under loom, for what loom cannot look into.
//!
//! Each has the contract that its original documents, made of loom's primitives, and none
//! of its cleverness: what is explored is the shape, not the crate. `arc-swap`: a load gives
//! a count of the value stored last, a store is seen by all later loads. `crossbeam-epoch`:
//! what is taken out is dropped after the sections that could have seen it.
//! `std::sync::Weak`: the upgrade counts, unless the count was zero. `std::sync::OnceLock`:
//! the first set wins, and what was done before is seen by who gets it.

use std::cell::UnsafeCell;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use loom::sync::atomic::{AtomicPtr, AtomicUsize};
use loom::sync::{Arc, Mutex};

use crate::sync::lock;

/// `arc_swap::ArcSwapOption`: load and store are one step each.
pub(crate) struct ArcSwapOption<T>(Mutex<Option<Arc<T>>>);

impl<T> ArcSwapOption<T> {
    pub(crate) fn new(value: Option<Arc<T>>) -> Self {
        ArcSwapOption(Mutex::new(value))
    }

    pub(crate) fn load_full(&self) -> Option<Arc<T>> {
        lock(&self.0).clone()
    }

    pub(crate) fn store(&self, value: Option<Arc<T>>) {
        let old = std::mem::replace(&mut *lock(&self.0), value);
        drop(old);
    }
}

/// An epoch scheme with one epoch: what was taken out is dropped when no section is open.
///
/// # Invariants
///
/// The pointers come from `Box::into_raw`. One in `retired` is not in `value`, and it is
/// dropped when no section is open that began before it was put there.
pub(crate) struct RcuCell<T> {
    value: AtomicPtr<T>,
    sections: Mutex<Sections<T>>,
}

struct Sections<T> {
    open: usize,
    retired: Vec<Retired<T>>,
}

struct Retired<T>(*mut T);

// SAFETY: it stands for a `Box<T>`.
unsafe impl<T: Send> Send for Retired<T> {}

impl<T> Drop for Retired<T> {
    fn drop(&mut self) {
        // SAFETY: the pointer comes from `Box::into_raw` and is dropped once, here.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

impl<T> RcuCell<T> {
    pub(crate) fn new() -> Self {
        RcuCell {
            value: AtomicPtr::new(ptr::null_mut()),
            sections: Mutex::new(Sections { open: 0, retired: Vec::new() }),
        }
    }

    pub(crate) fn read<R>(&self, f: impl FnOnce(Option<&T>) -> R) -> R {
        lock(&self.sections).open += 1;
        let value = self.value.load(Acquire);
        // SAFETY: the section is open since before the load, so by the invariant the value
        // is not dropped before it is closed.
        let result = f(unsafe { value.as_ref() });
        let mut sections = lock(&self.sections);
        sections.open -= 1;
        let over = Self::over(&mut sections);
        drop(sections);
        drop(over);
        result
    }

    pub(crate) fn replace(&self, value: Option<T>) {
        let value = value.map_or(ptr::null_mut(), |value| Box::into_raw(Box::new(value)));
        let old = self.value.swap(value, AcqRel);
        let mut sections = lock(&self.sections);
        if !old.is_null() {
            sections.retired.push(Retired(old));
        }
        let over = Self::over(&mut sections);
        drop(sections);
        drop(over);
    }

    pub(crate) fn settle(&self) {}

    fn over(sections: &mut Sections<T>) -> Vec<Retired<T>> {
        if sections.open == 0 { std::mem::take(&mut sections.retired) } else { Vec::new() }
    }
}

/// `std::sync::Arc`, as far as [`Weak`] needs it.
///
/// # Invariants
///
/// `counted.strong` is the number of `Strong`, and the value lives until it is zero.
pub struct Strong<T> {
    counted: std::sync::Arc<Counted<T>>,
}

/// `std::sync::Weak`.
pub(crate) struct Weak<T> {
    counted: Option<std::sync::Arc<Counted<T>>>,
}

struct Counted<T> {
    strong: AtomicUsize,
    value: UnsafeCell<ManuallyDrop<T>>,
}

// SAFETY: as `std::sync::Arc`: shared references on any thread, the drop on one of them.
unsafe impl<T: Send + Sync> Sync for Counted<T> {}

impl<T> Strong<T> {
    pub(crate) fn new(value: T) -> Self {
        let value = UnsafeCell::new(ManuallyDrop::new(value));
        Strong { counted: std::sync::Arc::new(Counted { strong: AtomicUsize::new(1), value }) }
    }

    pub(crate) fn downgrade(this: &Self) -> Weak<T> {
        Weak { counted: Some(std::sync::Arc::clone(&this.counted)) }
    }
}

impl<T> Deref for Strong<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: `self` is one of the count, so the value lives and nobody changes it.
        unsafe { &*self.counted.value.get() }
    }
}

impl<T> Drop for Strong<T> {
    fn drop(&mut self) {
        if self.counted.strong.fetch_sub(1, Release) == 1 {
            self.counted.strong.load(Acquire);
            // SAFETY: the count is zero and an upgrade from zero fails, so nobody else has
            // a reference.
            let value = unsafe { &mut *self.counted.value.get() };
            // SAFETY: the count becomes zero once.
            unsafe { ManuallyDrop::drop(value) };
        }
    }
}

impl<T> Weak<T> {
    pub(crate) fn new() -> Self {
        Weak { counted: None }
    }

    pub(crate) fn upgrade(&self) -> Option<Strong<T>> {
        let counted = self.counted.as_ref()?;
        counted
            .strong
            .fetch_update(Acquire, Relaxed, |count| (count > 0).then(|| count + 1))
            .ok()
            .map(|_| Strong { counted: std::sync::Arc::clone(counted) })
    }
}

/// `std::sync::OnceLock`, with a value that is never dropped.
pub(crate) struct OnceLock<T>(AtomicPtr<T>);

impl<T> OnceLock<T> {
    pub(crate) fn new() -> Self {
        OnceLock(AtomicPtr::new(ptr::null_mut()))
    }

    pub(crate) fn set(&self, value: T) -> Result<(), T> {
        let value = Box::into_raw(Box::new(value));
        match self.0.compare_exchange(ptr::null_mut(), value, Release, Relaxed) {
            Ok(_) => Ok(()),
            // SAFETY: it was made by `Box::into_raw` above and was not stored.
            Err(_) => Err(*unsafe { Box::from_raw(value) }),
        }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        // SAFETY: null, or from `Box::into_raw` in `set`; it is never dropped.
        unsafe { self.0.load(Acquire).as_ref() }
    }
}
