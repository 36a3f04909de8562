//! Small changes of declarations, each of which takes a guarantee away.

mod explained;
mod facts;
mod generate;
mod mutant;
mod run;
mod signature;
mod together;
mod traits;

pub use generate::{generate, probes};
use mutant::Operator;
pub use mutant::{Change, Mutant, NotLanded, Probe};
pub use run::{Fate, Mutation, Options, Tried, list, mutate};
