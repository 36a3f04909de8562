//! Small changes of declarations, each of which takes a guarantee away.

mod bounds;
mod explained;
mod facts;
mod generate;
mod mutant;
mod run;
mod signature;
mod source;
mod together;
mod traits;

pub use generate::{generate, probes};
pub use mutant::{Change, Mutant, NotLanded, Operator, Probe};
pub use run::{Fate, Mutation, Options, Tried, list, mutate};
