//! What the one global promises at run time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use biglock::{Guarded, Lock, StdMutex, Unlocked};
use exported::Exported;

macro_rules! lock {
    ($name:ident) => {
        enum $name {}
        impl Lock for $name {
            type Backend = StdMutex;
            const LOCK: &'static StdMutex = {
                static MUTEX: StdMutex = StdMutex::new();
                &MUTEX
            };
        }
    };
}

/// Counts its drops.
struct Object(&'static AtomicUsize);

impl Drop for Object {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn retire_empties_the_place_at_once_and_returns_the_owners_count() {
    lock!(L);
    static PLACE: Exported<Object, L> = Exported::new();
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    let mut thread = Unlocked::<L>::attach().expect("first attach");
    let mut guard = thread.lock();
    assert!(PLACE.get(&guard).is_none());
    assert!(PLACE.share(&guard).is_none());

    let object = Arc::new(Object(&DROPS));
    let address = Arc::as_ptr(&object);
    let publication = PLACE.publish(&mut guard, object).expect("vacant");
    assert!(std::ptr::eq(PLACE.get(&guard).expect("published"), address));
    let object = publication.retire(&mut guard);
    assert!(PLACE.get(&guard).is_none());
    assert_eq!(DROPS.load(Ordering::SeqCst), 0, "not dropped by retire");
    assert_eq!(Arc::strong_count(&object), 1);
    drop(object);
    assert_eq!(DROPS.load(Ordering::SeqCst), 1);
}

#[test]
fn a_second_publish_hands_the_object_back() {
    lock!(L);
    static PLACE: Exported<u32, L> = Exported::new();
    let mut thread = Unlocked::<L>::attach().expect("first attach");
    let mut guard = thread.lock();
    let first = PLACE.publish(&mut guard, Arc::new(1)).expect("vacant");
    let refused = PLACE.publish(&mut guard, Arc::new(2)).expect_err("taken");
    assert_eq!(*refused.0, 2);
    assert_eq!(Arc::strong_count(&refused.0), 1, "no count is kept");
    assert_eq!(PLACE.get(&guard), Some(&1));
    assert_eq!(*first.retire(&mut guard), 1);
    let second = PLACE.publish(&mut guard, refused.0).expect("vacant again");
    assert_eq!(*second.retire(&mut guard), 2);
}

#[test]
fn a_scope_retires_on_every_way_out() {
    lock!(L);
    static PLACE: Exported<Object, L> = Exported::new();
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    let mut thread = Unlocked::<L>::attach().expect("first attach");
    let mut guard = thread.lock();
    let object = || Arc::new(Object(&DROPS));

    let (refused, object_back) = PLACE
        .scope(&mut guard, object(), |guard| {
            assert!(PLACE.get(guard).is_some());
            guard.unlocked(|_thread| ());
            PLACE.scope(guard, object(), |_guard| ()).is_err()
        })
        .expect("vacant");
    assert!(refused, "a second one while the first is there");
    assert!(PLACE.get(&guard).is_none());
    assert_eq!(DROPS.load(Ordering::SeqCst), 1, "the refused one");
    drop(object_back);
    assert_eq!(DROPS.load(Ordering::SeqCst), 2);

    let panicked = catch_unwind(AssertUnwindSafe(|| {
        PLACE.scope(&mut guard, object(), |guard| {
            assert!(PLACE.get(guard).is_some());
            panic!("on the way out");
        })
    }));
    assert!(panicked.is_err());
    assert!(PLACE.get(&guard).is_none(), "retired all the same");
    assert_eq!(DROPS.load(Ordering::SeqCst), 3);
}

/// As two tests of one program do: the first fails, and the second finds the place free.
#[test]
fn a_panic_in_a_scope_leaves_the_place_free_for_the_next() {
    lock!(L);
    static PLACE: Exported<u32, L> = Exported::new();
    fn test(number: u32, goes_well: bool) {
        let mut thread = Unlocked::<L>::attach().expect("first attach of this thread");
        let mut guard = thread.lock();
        let (_, object) = PLACE
            .scope(&mut guard, Arc::new(number), |guard| {
                assert_eq!(PLACE.get(guard), Some(&number));
                assert!(goes_well, "a test that fails");
            })
            .expect("left free by the test before");
        assert_eq!(Arc::strong_count(&object), 1);
    }
    for (number, goes_well) in [(1, true), (2, false), (3, false), (4, true)] {
        let ended = thread::spawn(move || test(number, goes_well)).join();
        let said = ended.as_ref().err().and_then(|panic| panic.downcast_ref::<&str>());
        assert_eq!(said, (!goes_well).then_some(&"a test that fails"), "test {number}");
    }
}

#[test]
fn a_trait_object_is_published_read_and_dropped_once() {
    lock!(L);
    trait Device: Send + Sync {
        fn writes(&self) -> &Guarded<u32, L>;
    }
    /// Its destructor counts.
    struct Disk(Guarded<u32, L>, #[expect(dead_code, reason = "for its destructor")] Object);
    impl Device for Disk {
        fn writes(&self) -> &Guarded<u32, L> {
            &self.0
        }
    }
    /// Without a size, so that only the table of its methods is its own.
    struct Null;
    static NONE: Guarded<u32, L> = Guarded::new(0);
    impl Device for Null {
        fn writes(&self) -> &Guarded<u32, L> {
            &NONE
        }
    }
    static PLACE: Exported<dyn Device, L> = Exported::new();
    static DROPS: AtomicUsize = AtomicUsize::new(0);

    let mut thread = Unlocked::<L>::attach().expect("first attach");
    let mut guard = thread.lock();
    assert!(PLACE.get(&guard).is_none() && PLACE.share(&guard).is_none());
    let disk = Arc::new(Disk(Guarded::new(1), Object(&DROPS)));
    let publication = PLACE.publish(&mut guard, disk).expect("vacant");
    let refused = PLACE.publish(&mut guard, Arc::new(Null)).expect_err("taken");
    assert_eq!(Arc::strong_count(&refused.0), 1);

    let (holding, mut access) = guard.split();
    let device = PLACE.get_while(holding).expect("published");
    *access.borrow_mut(device.writes()) += 1;
    let counted = PLACE.share(&guard).expect("published");
    drop(publication.retire(&mut guard));
    assert!(PLACE.get(&guard).is_none());
    assert_eq!(*counted.writes().borrow(&guard), 2);
    assert_eq!(DROPS.load(Ordering::SeqCst), 0, "counted");
    drop(counted);
    assert_eq!(DROPS.load(Ordering::SeqCst), 1);

    let (writes, _object) = PLACE
        .scope(&mut guard, refused.0, |guard| {
            PLACE.get(guard).map(|device| *device.writes().borrow(guard))
        })
        .expect("vacant again");
    assert_eq!(writes, Some(0));
}

/// What is caught leaves the tokens as they were, and needs no `AssertUnwindSafe`.
#[test]
fn a_caught_panic_leaves_a_publication_that_retires() {
    lock!(L);
    static PLACE: Exported<u32, L> = Exported::new();
    let mut thread = Unlocked::<L>::attach().expect("first attach");
    let publication = PLACE.publish(&mut thread.lock(), Arc::new(7)).expect("vacant");
    let caught = catch_unwind(move || {
        let mut guard = thread.lock();
        let object = publication.retire(&mut guard);
        assert_eq!(*object, 8, "a test that fails");
    });
    assert!(caught.is_err());
    let mut thread = Unlocked::<L>::attach().expect("detached on the way out");
    assert!(PLACE.get(&thread.lock()).is_none(), "retired before the panic");
}

#[test]
fn a_counted_reference_outlives_the_export_and_dies_on_the_thread_that_drops_it_last() {
    lock!(L);
    static PLACE: Exported<Object, L> = Exported::new();
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    let mut thread = Unlocked::<L>::attach().expect("first attach");
    let mut guard = thread.lock();
    let publication = PLACE.publish(&mut guard, Arc::new(Object(&DROPS))).expect("vacant");
    let counted = PLACE.share(&guard).expect("published");
    let (retired, wait) = std::sync::mpsc::channel::<()>();
    let worker = thread::spawn(move || {
        wait.recv().expect("the main thread retires first");
        assert_eq!(DROPS.load(Ordering::SeqCst), 0, "kept by this thread");
        drop(counted);
        assert_eq!(DROPS.load(Ordering::SeqCst), 1, "dropped on this thread");
    });
    drop(publication.retire(&mut guard));
    retired.send(()).expect("the worker waits");
    worker.join().expect("no panic");
}

#[test]
fn a_lost_publication_leaves_the_object_exported_and_alive() {
    lock!(L);
    static PLACE: Exported<u32, L> = Exported::new();
    let mut thread = Unlocked::<L>::attach().expect("first attach");
    let mut guard = thread.lock();
    drop(PLACE.publish(&mut guard, Arc::new(7)).expect("vacant"));
    assert_eq!(PLACE.get(&guard), Some(&7));
    assert!(PLACE.publish(&mut guard, Arc::new(8)).is_err());
}

/// Printing needs no lock, so it cannot look at the object.
#[test]
fn what_is_printed_is_the_type_and_not_the_object() {
    lock!(L);
    static PLACE: Exported<u32, L> = Exported::new();
    let mut thread = Unlocked::<L>::attach().expect("first attach");
    let mut guard = thread.lock();
    let publication = PLACE.publish(&mut guard, Arc::new(7)).expect("vacant");
    let refused = PLACE.publish(&mut guard, Arc::new(8)).expect_err("taken");
    assert_eq!(format!("{PLACE:?}"), "Exported { .. }");
    assert_eq!(format!("{publication:?}"), "Publication { .. }");
    assert_eq!(
        format!("{refused:?}"),
        "AlreadyPublished (an object is published already: retire it first)"
    );
    assert_eq!(refused.to_string(), "an object is published already: retire it first");
    drop(publication.retire(&mut guard));
}
