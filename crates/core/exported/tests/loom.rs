//! The one global over loom's mutex: every interleaving of a few threads, within loom's limits
//! (docs/alternatives.md, "What the models leave out").
//!
//! A program of its own: it is built with `--cfg loom`.
//!
//! Each model runs over `Exported`, where it must hold, and over a [`Copycat`] of it with one
//! mistake, where it must break. The object has loom cells inside, which its readers read
//! and its end writes, so loom checks that each use is ordered before the end.
//!
//! `RUSTFLAGS="--cfg loom" cargo test --release -p lastref-exported --test loom -- --nocapture`
#![cfg(loom)]

use std::cell::Cell;
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::{Arc, PoisonError};

use alternatives::model::{LoomMutex, breaks, breaks_for_good, holds};
use biglock::{Condvar, Guard, Guarded, Lock, Unlocked};
use exported::{Exported, Publication};
use loom::cell::UnsafeCell;
use loom::sync::Mutex;
use loom::sync::atomic::AtomicUsize;
use loom::thread;

enum Big {}

impl Lock for Big {
    type Backend = LoomMutex;
    const LOCK: &'static LoomMutex = &LoomMutex;
}

fn attach() -> Unlocked<Big> {
    Unlocked::attach().expect("each thread of a model attaches once")
}

/// What is in a migration object. In a model it outlives the object's end, so that a read
/// that comes too late is seen and is no undefined behaviour.
struct Fate {
    serial: u32,
    /// Whether the object lives. Its readers read it, its end writes it.
    alive: UnsafeCell<bool>,
    /// Counts dropped. The count of the standard library's `Arc` is invisible to loom; this
    /// shows it the order that it makes.
    drops: AtomicUsize,
    /// The count of a [`Copycat`].
    count: AtomicUsize,
    /// What a [`Copycat`] guards by hand.
    written: UnsafeCell<u32>,
    /// The counters that an observer may keep.
    transferred: Arc<Mutex<u32>>,
}

// SAFETY: loom looks at each access of the cell and ends a model in which two meet.
unsafe impl Sync for Fate {}

impl Fate {
    fn new(serial: u32) -> Self {
        Fate {
            serial,
            alive: UnsafeCell::new(true),
            drops: AtomicUsize::new(0),
            count: AtomicUsize::new(1),
            written: UnsafeCell::new(0),
            transferred: Arc::new(Mutex::new(0)),
        }
    }

    fn read(&self) -> u32 {
        // SAFETY: the pointer is valid for the call; loom looks whether somebody writes.
        assert!(self.alive.with(|alive| unsafe { *alive }), "{LATE}");
        self.serial
    }

    fn end(&self) {
        // While a failed model is cleared away nothing more is to be found.
        if std::thread::panicking() {
            return;
        }
        self.drops.load(Acquire);
        // SAFETY: the pointer is valid for the call; loom looks whether somebody uses it.
        let was_alive = self.alive.with_mut(|alive| unsafe { alive.replace(false) });
        assert!(was_alive, "a second end");
        let ends =
            if thread::current().name() == Some(MIGRATION) { &ENDS_THERE } else { &ENDS_HERE };
        ends.set(ends.get() + 1);
    }
}

/// The name of the migration thread.
const MIGRATION: &str = "migration";

// loom plays all threads of a model on one, the test's.
std::thread_local! {
    /// How many objects ended on the migration thread.
    static ENDS_THERE: Cell<usize> = const { Cell::new(0) };
    /// How many ended elsewhere.
    static ENDS_HERE: Cell<usize> = const { Cell::new(0) };
}

/// Counts a write. Loom looks whether two meet.
fn write(written: &UnsafeCell<u32>) -> u32 {
    written.with_mut(|written| {
        // SAFETY: the pointer is valid for the call; loom looks whether somebody uses it.
        let written = unsafe { &mut *written };
        *written += 1;
        *written
    })
}

/// The migration object: it ends when it is dropped.
struct Object(Arc<Fate>, Guarded<UnsafeCell<u32>, Big>);

impl Object {
    fn new(serial: u32) -> Self {
        Object(Arc::new(Fate::new(serial)), Guarded::new(UnsafeCell::new(0)))
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// What loom says of two accesses without an order.
const RACE: &str = "Causality violation";
/// An object was used after its end.
const LATE: &str = "read after the end";

/// The place of the one object: `Exported`, or a copy of it with a mistake.
trait Place: Sync + Sized + 'static {
    /// The right to retire.
    type Publication;
    /// A counted reference.
    type Count: Deref<Target = Fate> + Send + 'static;

    /// A place with nothing in it.
    fn new() -> &'static Self;

    /// Publishes an object; `None` if there is one.
    fn publish(&'static self, thread: &mut Unlocked<Big>, serial: u32)
    -> Option<Self::Publication>;

    /// Reads the object.
    fn get(&self, guard: &Guard<'_, Big>) -> Option<u32>;

    /// Locks and reads the object.
    fn look(&self, thread: &mut Unlocked<Big>) -> Option<u32> {
        self.get(&thread.lock())
    }

    /// Locks, and writes what the object guards while it is read.
    fn write(&self, thread: &mut Unlocked<Big>) -> Option<u32>;

    /// Takes a count.
    fn share(&'static self, guard: &Guard<'_, Big>) -> Option<Self::Count>;

    /// What may be kept without the lock and for ever.
    fn observe(&self, guard: &Guard<'_, Big>) -> Option<Observer>;

    /// Retires the object and drops the count that comes back.
    fn retire(publication: Self::Publication, thread: &mut Unlocked<Big>);
}

/// Watches the counters of an object.
struct Observer {
    transferred: Arc<Mutex<u32>>,
    /// The mistake: it points into the object.
    inside: Option<Arc<Fate>>,
}

impl Observer {
    fn transferred(&self) -> u32 {
        if let Some(fate) = &self.inside {
            fate.read();
        }
        *self.transferred.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A count of an object behind the standard library's `Arc`.
struct Count(Option<Arc<Object>>);

impl Deref for Count {
    type Target = Fate;

    fn deref(&self) -> &Fate {
        &self.0.as_ref().expect("it is there until the drop").0
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Release);
        self.0 = None;
    }
}

impl Place for Exported<Object, Big> {
    type Publication = Publication<Object, Big>;
    type Count = Count;

    fn new() -> &'static Self {
        Box::leak(Box::default())
    }

    fn publish(
        &'static self,
        thread: &mut Unlocked<Big>,
        serial: u32,
    ) -> Option<Self::Publication> {
        let object = Arc::new(Object::new(serial));
        Exported::publish(self, &mut thread.lock(), object).ok()
    }

    fn get(&self, guard: &Guard<'_, Big>) -> Option<u32> {
        Exported::get(self, guard).map(|object| object.0.read())
    }

    fn write(&self, thread: &mut Unlocked<Big>) -> Option<u32> {
        let mut guard = thread.lock();
        let (holding, mut access) = guard.split();
        let object = self.get_while(holding)?;
        let number = write(access.borrow_mut(&object.1));
        object.0.read();
        Some(number)
    }

    fn share(&'static self, guard: &Guard<'_, Big>) -> Option<Count> {
        Exported::share(self, guard).map(|object| Count(Some(object)))
    }

    fn observe(&self, guard: &Guard<'_, Big>) -> Option<Observer> {
        let fate = &Exported::get(self, guard)?.0;
        Some(Observer { transferred: Arc::clone(&fate.transferred), inside: None })
    }

    fn retire(publication: Self::Publication, thread: &mut Unlocked<Big>) {
        let object = publication.retire(&mut thread.lock());
        drop(Count(Some(object)));
    }
}

/// What a [`Copycat`] does otherwise than `Exported`.
trait Mistake: Sized + 'static {
    /// A reader locks.
    const READERS_LOCK: bool = true;
    /// `retire` locks.
    const RETIRE_LOCKS: bool = true;
    /// `retire` empties the place.
    const RETIRE_CLEARS: bool = true;
    /// `retire` empties the place before it drops the count.
    const CLEARS_FIRST: bool = true;
    /// What is found is written before the lock is released.
    const WRITES_LOCKED: bool = true;
    /// `share` counts.
    const SHARE_COUNTS: bool = true;
    /// An observer counts what it watches.
    const OBSERVER_COUNTS: bool = true;
    /// The end of an object empties the place, as in version 2 of the series.
    const END_CLEARS: bool = false;
}

/// `Exported` in the plain, over a loom cell and with a count by hand, so that a wrong end
/// frees no memory under a reader.
struct Copycat<M> {
    slot: UnsafeCell<Option<Arc<Fate>>>,
    _mistake: PhantomData<fn(M) -> M>,
}

// SAFETY: loom looks at each access of the cell and ends a model in which two meet.
unsafe impl<M> Sync for Copycat<M> {}

impl<M: Mistake> Copycat<M> {
    fn slot(&self) -> Option<Arc<Fate>> {
        // SAFETY: the pointer is valid for the call; loom looks whether somebody writes.
        self.slot.with(|slot| unsafe { (*slot).clone() })
    }

    fn fill(&self, fate: Option<Arc<Fate>>) {
        // SAFETY: the pointer is valid for the call; loom looks whether somebody uses it.
        self.slot.with_mut(|slot| unsafe { *slot = fate });
    }
}

/// A count by hand.
struct ByHand<M: Mistake> {
    place: &'static Copycat<M>,
    fate: Arc<Fate>,
}

impl<M: Mistake> Deref for ByHand<M> {
    type Target = Fate;

    fn deref(&self) -> &Fate {
        &self.fate
    }
}

impl<M: Mistake> Drop for ByHand<M> {
    fn drop(&mut self) {
        if self.fate.count.fetch_sub(1, AcqRel) == 1 {
            if M::END_CLEARS {
                self.place.fill(None);
            }
            self.fate.end();
        }
    }
}

impl<M: Mistake> Place for Copycat<M> {
    type Publication = ByHand<M>;
    type Count = ByHand<M>;

    fn new() -> &'static Self {
        Box::leak(Box::new(Copycat { slot: UnsafeCell::new(None), _mistake: PhantomData }))
    }

    fn publish(&'static self, thread: &mut Unlocked<Big>, serial: u32) -> Option<ByHand<M>> {
        let _guard = thread.lock();
        if self.slot().is_some() {
            return None;
        }
        let fate = Arc::new(Fate::new(serial));
        self.fill(Some(Arc::clone(&fate)));
        Some(ByHand { place: self, fate })
    }

    fn get(&self, _guard: &Guard<'_, Big>) -> Option<u32> {
        self.slot().map(|fate| fate.read())
    }

    fn look(&self, thread: &mut Unlocked<Big>) -> Option<u32> {
        let _guard = M::READERS_LOCK.then(|| thread.lock());
        self.slot().map(|fate| fate.read())
    }

    fn write(&self, thread: &mut Unlocked<Big>) -> Option<u32> {
        let mut guard = Some(thread.lock());
        let fate = self.slot()?;
        if !M::WRITES_LOCKED {
            guard = None;
        }
        let number = write(&fate.written);
        drop(guard);
        Some(number)
    }

    fn share(&'static self, _guard: &Guard<'_, Big>) -> Option<ByHand<M>> {
        let fate = self.slot()?;
        if M::SHARE_COUNTS {
            fate.count.fetch_add(1, Relaxed);
        }
        Some(ByHand { place: self, fate })
    }

    fn observe(&self, _guard: &Guard<'_, Big>) -> Option<Observer> {
        let fate = self.slot()?;
        let transferred = Arc::clone(&fate.transferred);
        Some(Observer { transferred, inside: (!M::OBSERVER_COUNTS).then_some(fate) })
    }

    fn retire(publication: ByHand<M>, thread: &mut Unlocked<Big>) {
        let place = publication.place;
        let mut publication = Some(publication);
        if !M::CLEARS_FIRST {
            publication = None;
        }
        let guard = M::RETIRE_LOCKS.then(|| thread.lock());
        if M::RETIRE_CLEARS {
            place.fill(None);
        }
        drop(guard);
        drop(publication);
    }
}

/// Declares copies with one mistake each.
macro_rules! mistakes {
    ($($(#[$doc:meta])* $name:ident: $what:ident = $value:literal;)*) => {$(
        $(#[$doc])*
        struct $name;
        impl Mistake for $name {
            const $what: bool = $value;
        }
    )*};
}

mistakes! {
    /// A reader does not lock.
    ReadsWithoutLock: READERS_LOCK = false;
    /// `retire` does not lock.
    RetiresWithoutLock: RETIRE_LOCKS = false;
    /// `retire` gives the count back and leaves the pointer, as QEMU does today.
    NeverClears: RETIRE_CLEARS = false;
    /// `retire` drops the count and then empties the place.
    ReleasesFirst: CLEARS_FIRST = false;
    /// A part of a split guard outlives the lock.
    WritesPastTheLock: WRITES_LOCKED = false;
    /// `share` hands out a pointer.
    SharesWithoutCount: SHARE_COUNTS = false;
    /// An observer is a pointer into the object.
    ObservesInside: OBSERVER_COUNTS = false;
    /// The end of one object empties the place of the next.
    EndClears: END_CLEARS = true;
}

/// The copy without a mistake, which must hold where `Exported` does.
struct NoMistake;

impl Mistake for NoMistake {}

type Real = Exported<Object, Big>;

fn publish<P: Place>(place: &'static P, thread: &mut Unlocked<Big>, serial: u32) -> P::Publication {
    place.publish(thread, serial).expect("the place is empty")
}

/// Holds for `Exported`, and for the copy when it makes no mistake.
macro_rules! holds_for_both {
    ($name:literal, $model:ident) => {
        holds($name, None, $model::<Real>);
        holds(concat!($name, ", the copy"), None, $model::<Copycat<NoMistake>>);
    };
}

fn another_reads_while_published_and_retired<P: Place>() {
    let place = P::new();
    let reader = thread::spawn(move || place.look(&mut attach()));
    let mut thread = attach();
    let publication = publish(place, &mut thread, 1);
    P::retire(publication, &mut thread);
    assert_eq!(place.look(&mut thread), None);
    let seen = reader.join().expect("it ends");
    assert!(matches!(seen, None | Some(1)));
}

#[test]
fn a_reader_sees_the_object_whole_or_not_at_all() {
    holds_for_both!("publish, get, retire", another_reads_while_published_and_retired);
    breaks(
        "publish, get without the lock",
        RACE,
        another_reads_while_published_and_retired::<Copycat<ReadsWithoutLock>>,
    );
    breaks(
        "retire without the lock",
        RACE,
        another_reads_while_published_and_retired::<Copycat<RetiresWithoutLock>>,
    );
    breaks(
        "retire, released before cleared",
        RACE,
        another_reads_while_published_and_retired::<Copycat<ReleasesFirst>>,
    );
    breaks(
        "retire, never cleared",
        LATE,
        another_reads_while_published_and_retired::<Copycat<NeverClears>>,
    );
}

fn two_write_what_the_object_guards<P: Place>() {
    let place = P::new();
    let mut thread = attach();
    let publication = publish(place, &mut thread, 1);
    let writer = thread::spawn(move || place.write(&mut attach()));
    let mine = place.write(&mut thread).expect("published");
    P::retire(publication, &mut thread);
    let its = writer.join().expect("it ends");
    assert!(matches!((mine, its), (1, None | Some(2)) | (2, Some(1))));
}

#[test]
fn the_parts_of_a_split_guard_write_under_the_lock() {
    holds_for_both!("split, get, write, retire", two_write_what_the_object_guards);
    breaks(
        "split, a part outlives the lock",
        RACE,
        two_write_what_the_object_guards::<Copycat<WritesPastTheLock>>,
    );
}

fn a_count_is_kept_across_a_release<P: Place>() {
    let place = P::new();
    let mut thread = attach();
    let publication = publish(place, &mut thread, 1);
    let command = thread::spawn(move || {
        let mut thread = attach();
        let mut guard = thread.lock();
        if let Some(counted) = place.share(&guard) {
            guard.unlocked(|_| assert_eq!(counted.read(), 1));
            assert_eq!(counted.read(), 1);
        }
    });
    P::retire(publication, &mut thread);
    command.join().expect("it ends");
}

#[test]
fn a_count_outlives_retire() {
    holds_for_both!("share", a_count_is_kept_across_a_release);
    let uncounted = a_count_is_kept_across_a_release::<Copycat<SharesWithoutCount>>;
    breaks("share, not counted", RACE, uncounted);
}

fn an_observer_is_kept_for_ever<P: Place>() {
    let place = P::new();
    let mut thread = attach();
    let publication = publish(place, &mut thread, 1);
    let watcher = thread::spawn(move || {
        let mut thread = attach();
        let observer = place.observe(&thread.lock());
        observer.map(|observer| observer.transferred())
    });
    P::retire(publication, &mut thread);
    let seen = watcher.join().expect("it ends");
    assert!(matches!(seen, None | Some(0)));
}

#[test]
fn an_observer_outlives_the_object() {
    holds_for_both!("observer", an_observer_is_kept_for_ever);
    breaks("observer, uncounted", RACE, an_observer_is_kept_for_ever::<Copycat<ObservesInside>>);
}

/// Starts the migration thread, which has a count.
fn start<P: Place>(place: &'static P, thread: &mut Unlocked<Big>) -> thread::JoinHandle<()> {
    let counted = place.share(&thread.lock()).expect("there is an object");
    let migrate = move || {
        assert_eq!(counted.read(), 1);
        drop(counted);
    };
    thread::Builder::new().name(MIGRATION.into()).spawn(migrate).expect("loom has a thread left")
}

fn the_thread_outlives_retire<P: Place>() {
    let place = P::new();
    let mut thread = attach();
    let publication = publish(place, &mut thread, 1);
    let migration = start(place, &mut thread);
    assert_eq!(place.look(&mut thread), Some(1));
    P::retire(publication, &mut thread);
    assert_eq!(place.look(&mut thread), None);
    migration.join().expect("it ends");
}

#[test]
fn the_last_reference_may_go_on_the_migration_thread() {
    holds("last reference", None, the_thread_outlives_retire::<Real>);
    let (there, here) = (ENDS_THERE.get(), ENDS_HERE.get());
    println!("last reference: {there} times on the migration thread, {here} times on main");
    assert!(there > 0 && here > 0, "either can be last");
    holds("last reference, the copy", None, the_thread_outlives_retire::<Copycat<NoMistake>>);
    breaks(
        "last reference, not counted",
        RACE,
        the_thread_outlives_retire::<Copycat<SharesWithoutCount>>,
    );
}

fn another_object_follows<P: Place>() {
    let place = P::new();
    let mut thread = attach();
    let first = publish(place, &mut thread, 1);
    assert!(place.publish(&mut thread, 3).is_none(), "there is one");
    let migration = start(place, &mut thread);
    P::retire(first, &mut thread);
    let second = publish(place, &mut thread, 2);
    migration.join().expect("it ends");
    assert_eq!(place.look(&mut thread), Some(2));
    P::retire(second, &mut thread);
}

#[test]
fn the_end_of_one_object_does_not_touch_the_next() {
    holds_for_both!("second object", another_object_follows);
    let cleared = another_object_follows::<Copycat<EndClears>>;
    breaks("second object, cleared by the end of the first", RACE, cleared);
}

fn waits_until_retired<P: Place>() {
    let place = P::new();
    let retired = Arc::new(Condvar::<Big>::new());
    let mut thread = attach();
    let publication = publish(place, &mut thread, 1);
    let waiter = {
        let retired = Arc::clone(&retired);
        thread::spawn(move || {
            let mut thread = attach();
            retired.wait_while(&mut thread.lock(), |guard| place.get(guard).is_some());
        })
    };
    P::retire(publication, &mut thread);
    let guard = thread.lock();
    retired.notify_all();
    drop(guard);
    waiter.join().expect("it ends");
}

#[test]
fn who_waits_with_the_lock_sees_that_it_was_retired() {
    holds_for_both!("wait", waits_until_retired);
    breaks_for_good("wait, never cleared", LATE, waits_until_retired::<Copycat<NeverClears>>);
}

fn reads_after_unwinding<P: Place>() {
    let place = P::new();
    let reader = thread::spawn(move || {
        let mut thread = attach();
        let mut guard = thread.lock();
        let before = place.get(&guard);
        let released = AssertUnwindSafe(|| guard.unlocked(|_| resume_unwind(Box::new(()))));
        catch_unwind(released).expect_err("it unwinds");
        (before, place.get(&guard))
    });
    let mut thread = attach();
    let publication = publish(place, &mut thread, 1);
    P::retire(publication, &mut thread);
    let (before, after) = reader.join().expect("it ends");
    assert!([before, after].iter().all(|seen| matches!(seen, None | Some(1))));
}

#[test]
fn a_read_after_unwinding_is_a_read_with_the_lock() {
    holds_for_both!("unwinding", reads_after_unwinding);
    breaks(
        "unwinding, retired without the lock",
        RACE,
        reads_after_unwinding::<Copycat<RetiresWithoutLock>>,
    );
}
