//! What a user may set: `migrate-set-parameters` of QMP, with QEMU's names and defaults.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The parameters of a migration (`qapi/migration.json`, `MigrationParameters`). They may be
/// changed while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MigrationParameters {
    /// `max-bandwidth`: bytes a second while the machine runs; 0 is no limit. With the
    /// machine stopped there is none.
    pub max_bandwidth: u64,
    /// `downtime-limit`: how long the machine may stand still.
    pub downtime_limit: Duration,
}

impl Default for MigrationParameters {
    fn default() -> Self {
        MigrationParameters { max_bandwidth: 128 << 20, downtime_limit: Duration::from_millis(300) }
    }
}

impl MigrationParameters {
    /// The longest `downtime-limit` (`migration/options.c`, `migrate_params_check`).
    pub const MAX_DOWNTIME_LIMIT: Duration = Duration::from_millis(2_000_000);
}

/// Set by the monitor and read by the migration thread: a small mutex, never held over I/O.
#[derive(Debug, Default)]
pub(crate) struct Parameters(Mutex<MigrationParameters>);

impl Parameters {
    fn lock(&self) -> MutexGuard<'_, MigrationParameters> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self) -> MigrationParameters {
        *self.lock()
    }

    pub(crate) fn set(&self, parameters: MigrationParameters) {
        *self.lock() = parameters;
    }
}
