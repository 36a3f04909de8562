//! The location of the machine, as far as one end of a migration knows it.
//!
//! It is decided at the point of no return and by the other end's final answer, before anything is
//! cleaned up. Clean-up reads it and does not change it, so a panic during clean-up does not affect
//! it.

use std::sync::{Mutex, PoisonError};

use crate::host::RunState;

/// The end that has the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Whereabouts {
    /// The source.
    #[default]
    Source,
    /// The source gave the machine away, and does not know whether the destination took it.
    Unknown,
    /// The destination, where the machine continues in the run state that it had at the source.
    Destination {
        /// That run state. The source leaves it out, because it does not need it.
        at_source: Option<RunState>,
    },
}

/// The decision of one attempt. The mutex is held only to read or set it.
#[derive(Debug, Default)]
pub(crate) struct Fate(Mutex<Whereabouts>);

impl Fate {
    pub(crate) fn get(&self) -> Whereabouts {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, whereabouts: Whereabouts) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = whereabouts;
    }
}
