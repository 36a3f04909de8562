//! Finds locks that are taken in different orders, the big lock among them, before they deadlock.
//!
//! Each thread keeps a stack of the locks that it holds. When it asks for one more, the graph gets
//! an edge from each lock on the stack to that one. A cycle in the graph is a deadlock that only
//! needs the right moment. The big locks report by [`Observe`], other mutexes by a small wrapper.
//!
//! `cargo run -p lastref-biglock --features trace --example lock_order`

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use biglock::trace::{Observe, Traced};
use biglock::{Guard, Lock, StdMutex, Unlocked};

/// Which lock was asked for while which was held, by their names.
static GRAPH: Mutex<Graph> = Mutex::new(Graph { after: BTreeMap::new(), cycles: Vec::new() });

struct Graph {
    after: BTreeMap<&'static str, BTreeSet<&'static str>>,
    cycles: Vec<String>,
}

thread_local! {
    /// The locks that this thread holds, the oldest first.
    static HELD: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

impl Graph {
    /// Adds an edge, and reports each cycle that it closes once.
    fn asked(&mut self, held: &'static str, asks: &'static str) {
        if !self.after.entry(held).or_default().insert(asks) {
            return;
        }
        if let Some(back) = self.path(asks, held) {
            self.cycles.push(format!("{held} -> {}", back.join(" -> ")));
        }
    }

    /// A way along the edges, both ends included.
    fn path(&self, from: &'static str, to: &'static str) -> Option<Vec<&'static str>> {
        let mut ways = vec![vec![from]];
        let mut seen = BTreeSet::from([from]);
        while let Some(way) = ways.pop() {
            let at = *way.last()?;
            if at == to {
                return Some(way);
            }
            for next in self.after.get(at).into_iter().flatten() {
                if seen.insert(next) {
                    ways.push([&way[..], &[next]].concat());
                }
            }
        }
        None
    }
}

fn asks(lock: &'static str) {
    // A thread in its last steps has no stack, and is not watched.
    let held = HELD.try_with(|held| held.borrow().clone()).unwrap_or_default();
    let mut graph = GRAPH.lock().unwrap_or_else(PoisonError::into_inner);
    for held in held {
        graph.asked(held, lock);
    }
}

fn takes(lock: &'static str) {
    let _ = HELD.try_with(|held| held.borrow_mut().push(lock));
}

fn releases(lock: &'static str) {
    let _ = HELD.try_with(|held| {
        let mut held = held.borrow_mut();
        if let Some(at) = held.iter().rposition(|one| *one == lock) {
            held.remove(at);
        }
    });
}

/// A big lock's part: the observer has its name.
struct Named(&'static str);

impl Observe for Named {
    fn asks(&self) {
        asks(self.0);
    }

    fn taken(&self, _waited: Option<Duration>) {
        takes(self.0);
    }

    fn releases(&self, _held: Duration) {
        releases(self.0);
    }
}

/// Another mutex's part: a wrapper that reports the same.
struct Watched<T> {
    name: &'static str,
    mutex: Mutex<T>,
}

struct WatchedGuard<'m, T> {
    name: &'static str,
    guard: MutexGuard<'m, T>,
}

impl<T> Watched<T> {
    const fn new(name: &'static str, value: T) -> Self {
        Watched { name, mutex: Mutex::new(value) }
    }

    fn lock(&self) -> WatchedGuard<'_, T> {
        asks(self.name);
        let guard = self.mutex.lock().unwrap_or_else(PoisonError::into_inner);
        takes(self.name);
        WatchedGuard { name: self.name, guard }
    }
}

impl<T> Drop for WatchedGuard<'_, T> {
    fn drop(&mut self) {
        releases(self.name);
    }
}

impl<T> Deref for WatchedGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for WatchedGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

static BIG: Traced<StdMutex> = Traced::observed(StdMutex::new(), &Named("big"));
enum Big {}
impl Lock for Big {
    type Backend = Traced<StdMutex>;
    const LOCK: &'static Traced<StdMutex> = &BIG;
}

static LOG: Watched<Vec<&str>> = Watched::new("log", Vec::new());
static DISK: Watched<u32> = Watched::new("disk", 0);

/// Takes the locks in the order that the program means: the big one, the disk's, the log's.
fn write(_big: &Guard<'_, Big>) {
    let mut disk = DISK.lock();
    *disk += 1;
    LOG.lock().push("written");
}

/// Makes the mistake: it takes the big lock with the log's held, as a call far below would.
fn rotate(thread: &mut Unlocked<Big>) {
    let mut log = LOG.lock();
    let _big = thread.lock();
    log.clear();
}

fn cycles() -> Vec<String> {
    GRAPH.lock().unwrap_or_else(PoisonError::into_inner).cycles.clone()
}

/// Runs both on one thread, so that nothing deadlocks today.
fn run() {
    let thread = thread::spawn(|| {
        let mut thread = Unlocked::<Big>::attach().expect("a new thread");
        write(&thread.lock());
        write(&thread.lock());
        assert_eq!(cycles(), [""; 0]);
        rotate(&mut thread);
    });
    thread.join().expect("it does not panic");
}

fn main() {
    run();
    for cycle in cycles() {
        println!("these locks can deadlock: {cycle}");
    }
}

#[test]
fn a_cycle_through_the_big_lock_is_found_without_a_deadlock() {
    run();
    assert_eq!(cycles(), ["log -> big -> log"]);
    let mut thread = Unlocked::<Big>::attach().expect("the test's own thread");
    rotate(&mut thread);
    assert_eq!(cycles().len(), 1, "each is reported once");
}
