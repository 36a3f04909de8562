//! Small changes of declarations, each of which takes a guarantee away.

mod bounds;
mod facts;
mod generate;
mod mutant;
mod signature;
mod source;
mod traits;

pub use generate::{generate, probes};
pub use mutant::{Change, Mutant, NotLanded, Operator, Probe};
