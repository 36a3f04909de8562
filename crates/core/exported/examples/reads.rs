//! Reads with a token beside those that C makes, each a function of its own whose
//! instructions one can look at.
//!
//! `tests/same_instructions.rs` builds this program optimised, compares the functions and runs
//! it. The globals and the functions keep their names in the assembly, and a global with a
//! name that other code could use is one of which the optimiser knows nothing.
//!
//! `cargo rustc --release -p lastref-exported --example reads -- -C codegen-units=1 --emit asm=reads.s`

use std::cell::Cell;
use std::error::Error;
use std::ptr;
use std::sync::Arc;

use biglock::{Guard, Guarded, Lock, StdMutex, Unlocked};
use exported::Exported;

enum Big {}
impl Lock for Big {
    type Backend = StdMutex;
    const LOCK: &'static StdMutex = &MUTEX;
}
static MUTEX: StdMutex = StdMutex::new();

/// What the global stands for.
struct Object {
    id: u64,
    status: u64,
}

/// The global as C has it.
#[unsafe(no_mangle)]
static mut RAW_POINTER: *const Object = ptr::null();

/// The global as Lastref has it.
#[unsafe(no_mangle)]
static EXPORTED: Exported<Object, Big> = Exported::new();

/// A number under the lock, as C has it.
#[unsafe(no_mangle)]
static mut RAW_NUMBER: u64 = 1;

/// The same with its lock in its type.
#[unsafe(no_mangle)]
static GUARDED: Guarded<u64, Big> = Guarded::new(1);

/// Another one, so that the optimiser does not make one function of two.
#[unsafe(no_mangle)]
static GUARDED_TOO: Guarded<u64, Big> = Guarded::new(1);

/// `current_migration ? current_migration->status : none`.
///
/// # Safety
///
/// No thread writes to the pointer meanwhile, and it is null or leads to an object.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe fn read_raw_pointer() -> Option<u64> {
    // SAFETY: nobody writes.
    let object = unsafe { RAW_POINTER };
    if object.is_null() {
        return None;
    }
    // SAFETY: it is not null, so it leads to an object.
    Some(unsafe { (*object).status })
}

#[unsafe(no_mangle)]
#[inline(never)]
fn read_exported(bql: &Guard<'_, Big>) -> Option<u64> {
    Some(EXPORTED.get(bql)?.status)
}

/// # Safety
///
/// No thread writes to the number meanwhile.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe fn read_raw_number() -> u64 {
    // SAFETY: nobody writes.
    unsafe { RAW_NUMBER }
}

#[unsafe(no_mangle)]
#[inline(never)]
fn read_guarded(bql: &Guard<'_, Big>) -> u64 {
    *GUARDED.borrow(bql)
}

/// # Safety
///
/// No other thread uses the number meanwhile.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe fn write_raw_number(number: u64) {
    // SAFETY: nobody else uses it.
    unsafe { RAW_NUMBER = number };
}

#[unsafe(no_mangle)]
#[inline(never)]
fn write_guarded(number: u64, bql: &mut Guard<'_, Big>) {
    *GUARDED.borrow_mut(bql) = number;
}

#[unsafe(no_mangle)]
#[inline(never)]
fn read_exported_with_a_part(bql: &mut Guard<'_, Big>) -> Option<u64> {
    let (holding, _access) = bql.split();
    Some(EXPORTED.get_while(holding)?.status)
}

#[unsafe(no_mangle)]
#[inline(never)]
fn read_guarded_with_a_part(bql: &mut Guard<'_, Big>) -> u64 {
    *bql.split().1.borrow(&GUARDED_TOO)
}

#[unsafe(no_mangle)]
#[inline(never)]
fn write_guarded_with_a_part(number: u64, bql: &mut Guard<'_, Big>) {
    *bql.split().1.borrow_mut(&GUARDED_TOO) = number;
}

// What must be told apart from the above: reads that do more, or something else.

thread_local! {
    static LOCKED: Cell<bool> = const { Cell::new(false) };
}

/// The pointer behind the check that QEMU's `BqlCell::get` makes at each read.
///
/// # Safety
///
/// As for [`read_raw_pointer`].
#[unsafe(no_mangle)]
#[inline(never)]
unsafe fn read_checked_pointer() -> Option<u64> {
    assert!(LOCKED.get());
    // SAFETY: nobody writes.
    let object = unsafe { RAW_POINTER };
    if object.is_null() {
        return None;
    }
    // SAFETY: it is not null, so it leads to an object.
    Some(unsafe { (*object).status })
}

/// The number behind the same check.
///
/// # Safety
///
/// As for [`read_raw_number`].
#[unsafe(no_mangle)]
#[inline(never)]
unsafe fn read_checked_number() -> u64 {
    assert!(LOCKED.get());
    // SAFETY: nobody writes.
    unsafe { RAW_NUMBER }
}

/// As many instructions as [`read_exported`], for another field.
#[unsafe(no_mangle)]
#[inline(never)]
fn read_other_field(bql: &Guard<'_, Big>) -> Option<u64> {
    Some(EXPORTED.get(bql)?.id)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut thread = Unlocked::<Big>::attach()?;
    let mut bql = thread.lock();
    LOCKED.set(true);

    let object = Arc::new(Object { id: 2, status: 3 });
    for published in [false, true, false] {
        let publication =
            if published { Some(EXPORTED.publish(&mut bql, Arc::clone(&object))?) } else { None };
        // SAFETY: this program has one thread.
        unsafe { RAW_POINTER = if published { Arc::as_ptr(&object) } else { ptr::null() } };

        // SAFETY: one thread, and `object` is alive.
        let raw = unsafe { read_raw_pointer() };
        assert_eq!(raw, published.then_some(3));
        assert_eq!(read_exported(&bql), raw);
        assert_eq!(read_exported_with_a_part(&mut bql), raw);
        assert_eq!(read_other_field(&bql), published.then_some(2));
        // SAFETY: as above.
        assert_eq!(unsafe { read_checked_pointer() }, raw);
        drop(publication.map(|publication| publication.retire(&mut bql)));
    }

    for number in [4, 5] {
        // SAFETY: one thread.
        unsafe { write_raw_number(number) };
        write_guarded(number, &mut bql);
        // SAFETY: one thread.
        assert_eq!(unsafe { read_raw_number() }, number);
        assert_eq!(read_guarded(&bql), number);
        write_guarded_with_a_part(number + 1, &mut bql);
        assert_eq!(read_guarded_with_a_part(&mut bql), number + 1);
        assert_eq!(read_guarded(&bql), number);
        // SAFETY: one thread.
        assert_eq!(unsafe { read_checked_number() }, number);
    }
    Ok(())
}
