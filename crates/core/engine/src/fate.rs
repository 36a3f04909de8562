//! Where the machine is, as far as one end of a migration knows.
//!
//! It is decided at the point of no return and by the other end's last word, before anything is
//! cleaned up. Clean-up asks; it does not decide. So a panic there changes nothing of it.

use std::sync::{Mutex, PoisonError};

use crate::host::RunState;

/// Who has the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Whereabouts {
    /// The source.
    #[default]
    Source,
    /// The source gave it away, and does not know whether the destination took it.
    Unknown,
    /// The destination, where it does what it did at the source.
    Destination {
        /// What that is; the source does not need to know.
        at_source: Option<RunState>,
    },
}

/// The decision of one attempt. The mutex is never held over anything.
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
