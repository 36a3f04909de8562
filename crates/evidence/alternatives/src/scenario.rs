//! The life of a migration object, played over a shape.

use std::sync::Arc;

use crate::memory::Memory;
use crate::shape::{Refused, Shape};
use crate::sync::{MIGRATION, VCPU, spawn};

/// The object that migrates.
pub const FIRST: u32 = 1;
/// The object that is made after the first was shut down.
pub const SECOND: u32 = 2;
/// The object of device introspection.
pub const TEMPORARY: u32 = 3;

/// What happens beside init, thread start, shutdown and late helpers, which always do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cast {
    /// A helper is called before there is an object.
    pub early: bool,
    /// A virtual CPU's thread calls a helper.
    pub vcpu: Option<Helper>,
    /// Device introspection makes and drops an object.
    pub introspection: bool,
    /// There is a second object after the first was shut down.
    pub second: bool,
}

/// A helper of `misc.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Helper {
    /// [`Shape::is_running`].
    IsRunning,
    /// [`Shape::is_active`].
    IsActive,
}

/// What was seen. The inner option is a helper's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// On the main thread before init.
    pub early: Option<Option<u32>>,
    /// On the virtual CPU's thread, at any time.
    pub vcpu: Option<Option<u32>>,
    /// What introspection met, and a helper's answer after it.
    pub introspection: Option<(Result<(), Refused>, Option<u32>)>,
    /// On the main thread after shutdown; the migration thread may run.
    pub late: Option<u32>,
    /// What init of a second object gave, with a helper's answer after it.
    pub second: Option<Result<Option<u32>, Refused>>,
    /// Inside, on the migration thread.
    pub inside: Option<u32>,
    /// On the main thread after everything ended (`monitor_cleanup`).
    pub last: Option<u32>,
}

/// Plays the scenario once.
pub fn play<M: Memory, S: Shape<M>>(cast: Cast, memory: &Arc<M>) -> Report {
    let shape = Arc::new(S::new(Arc::clone(memory)));
    let mut main = S::attach();

    let early = cast.early.then(|| shape.is_running(&mut main));
    let first = shape.init(&mut main, FIRST).expect("the first object");

    let worker = shape.start(&mut main).expect("there is an object");
    let migration = spawn(MIGRATION, {
        let shape = Arc::clone(&shape);
        move || {
            let inside = shape.look_inside(&worker);
            shape.finish(worker);
            inside
        }
    });
    let vcpu = cast.vcpu.map(|helper| {
        let shape = Arc::clone(&shape);
        spawn(VCPU, move || {
            let mut thread = S::attach();
            match helper {
                Helper::IsRunning => shape.is_running(&mut thread),
                Helper::IsActive => shape.is_active(&mut thread),
            }
        })
    });
    let introspection = cast.introspection.then(|| {
        let met = shape.introspect(TEMPORARY);
        (met, shape.is_running(&mut main))
    });

    memory.before_shutdown();
    shape.shutdown(&mut main, first);
    let late = shape.is_running(&mut main);
    let second = cast
        .second
        .then(|| shape.init(&mut main, SECOND).map(|owner| (owner, shape.is_running(&mut main))));

    let inside = migration.join().expect("the migration thread ends");
    let vcpu = vcpu.map(|thread| thread.join().expect("the virtual CPU's thread ends"));
    let second = second.map(|made| {
        made.map(|(owner, found)| {
            shape.shutdown(&mut main, owner);
            found
        })
    });
    let last = shape.is_running(&mut main);
    shape.settle();
    Report { early, vcpu, introspection, late, second, inside, last }
}
