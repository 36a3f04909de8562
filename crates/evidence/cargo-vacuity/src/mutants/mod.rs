//! Small changes of declarations, each of which takes a guarantee away.

mod explained;
mod facts;
mod generate;
mod mutant;
mod run;
mod signature;
#[cfg(test)]
mod tests;
mod together;
mod traits;

pub(crate) use facts::last;
pub(crate) use generate::{generate, probes};
use mutant::Operator;
pub(crate) use mutant::{Change, Mutant, Probe};
pub(crate) use run::{Fate, Mutation, Options, list, mutate};
