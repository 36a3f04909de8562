//! The other ways to keep QEMU's migration object, each runnable, beside the one chosen.
//!
//! `static MigrationState *current_migration` dangles after `migration_shutdown()`. Since
//! 2024 several repairs were posted or asked for in review. Here each stands in a file of
//! its own under [`shapes`], as its author meant it, behind one trait, [`Shape`]. One
//! [`scenario`] runs over all of them: helpers before there is an object, the migration thread, a
//! reader on a virtual CPU's thread, shutdown, late helpers, a second object. What it must
//! show is a list of [`Claim`]s, and which shape keeps which claim is a table in
//! [`answers`], the one that `docs/alternatives.md` prints.
//!
//! ```
//! use std::sync::Arc;
//!
//! use alternatives::scenario::{Cast, play};
//! use alternatives::shapes::{EndState, NullChecks};
//! use alternatives::{Arena, POISON};
//!
//! let arena = Arc::new(Arena::new());
//! // After shutdown a NULL check finds a pointer, and reads what was freed.
//! assert_eq!(play::<_, NullChecks<Arena>>(Cast::default(), &arena).last, Some(POISON));
//! assert_eq!(play::<_, EndState<Arena>>(Cast::default(), &arena).last, None);
//! ```
//!
//! Three kinds of run use the same files:
//!
//! * `cargo test` plays the scenario with threads of the system. A shape without protection
//!   works on an [`Arena`], whose objects are never given back to the
//!   allocator: a use after free reads QEMU's poison, `0xcccccccc`, and is no undefined behaviour.
//! * With `--cfg loom` every interleaving is played, as far as loom tries them (docs/alternatives.md,
//!   "What the models leave out"). A claim that the table says is broken
//!   must be seen broken.
//! * The program `use_after_free` plays it on the heap, for AddressSanitizer and valgrind.
pub mod answers;
mod arena;
mod claim;
mod memory;
#[cfg(loom)]
pub mod model;
mod object;
pub mod scenario;
mod shape;
pub mod shapes;
#[cfg(loom)]
mod stand_in;
mod sync;

pub use arena::Arena;
pub use claim::Claim;
pub use memory::{Address, GlobalPointer, Memory, POISON};
pub use object::Object;
pub use shape::{Refused, Shape};
