//! The oracle of a compile-fail suite.
//!
//! A suite of programs that must not compile is easily right for the wrong reason: an import
//! is missing, a method was renamed, and the snapshot was taken again without being read. So
//! a case here is believed only if four things agree, each of which has caught what the
//! others let pass:
//!
//! 1. the compiler's words are the pinned ones (that is trybuild's work, see [`Suite`]);
//! 2. the code in the file's name, on the marked line and in the snapshot is one and the same,
//!    and the only one: [`Case`], [`snapshot`];
//! 3. a [`twin`] that differs in three lines at most, and names everything that the case
//!    names, compiles;
//! 4. a [`weakening`] of the library lets the case compile.
//!
//! Around the cases, [`whole`] looks at the suite as a whole: every claim has its cases, every
//! file belongs to a case.
//!
//! Nothing here knows the libraries that a suite is about. A suite describes itself in a file
//! `suite.toml`, see [`Suite`].
#![forbid(unsafe_code)]

mod case;
mod claims;
pub mod compiler;
mod complaint;
pub mod scratch;
pub mod snapshot;
mod suite;
pub mod twin;
pub mod weakening;
pub mod whole;

pub use case::{Case, Code, Mark};
pub use claims::{Claim, Claims};
pub use complaint::{Complaint, none};
pub use suite::{Room, Suite};
