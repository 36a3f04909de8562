//! The run-time status of a migration, by the names of QAPI's `MigrationStatus`.
//!
//! It is derived from the phase of a migration, for queries and events. The engine decides only one
//! thing by it: whether a migration is running.

use std::fmt;

/// The field `status` of `query-migrate` (`qapi/migration.json`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum MigrationStatus {
    /// No migration was started yet.
    None,
    /// Connecting, or setting up.
    Setup,
    /// Cancelled, and still cleaning up.
    Cancelling,
    /// Cancelled; the machine stays here.
    Cancelled,
    /// Memory is being sent.
    Active,
    /// The machine is stopped, and waits for the user's `migrate-continue` before the devices are
    /// sent (capability pause-before-switchover).
    PreSwitchover,
    /// The machine is stopped, and its devices are being sent.
    Device,
    /// The migration has completed.
    Completed,
    /// The migration failed, and the machine stays where it was. If it may run at the destination
    /// all the same, it stays stopped here ([`MigrationState::cont`](crate::MigrationState::cont)).
    Failed,
}

impl MigrationStatus {
    const ALL: [MigrationStatus; 9] = [
        MigrationStatus::None,
        MigrationStatus::Setup,
        MigrationStatus::Cancelling,
        MigrationStatus::Cancelled,
        MigrationStatus::Active,
        MigrationStatus::PreSwitchover,
        MigrationStatus::Device,
        MigrationStatus::Completed,
        MigrationStatus::Failed,
    ];

    #[inline]
    pub(crate) fn from_u8(value: u8) -> Self {
        Self::ALL.into_iter().find(|status| *status as u8 == value).unwrap_or(MigrationStatus::None)
    }

    /// Returns QAPI's name.
    pub fn name(self) -> &'static str {
        match self {
            MigrationStatus::None => "none",
            MigrationStatus::Setup => "setup",
            MigrationStatus::Cancelling => "cancelling",
            MigrationStatus::Cancelled => "cancelled",
            MigrationStatus::Active => "active",
            MigrationStatus::PreSwitchover => "pre-switchover",
            MigrationStatus::Device => "device",
            MigrationStatus::Completed => "completed",
            MigrationStatus::Failed => "failed",
        }
    }

    /// Returns whether a migration runs: from the command to the end of clean-up
    /// (`migration_is_running` of `migration/migration.c`).
    #[inline]
    pub fn is_running(self) -> bool {
        matches!(
            self,
            MigrationStatus::Setup
                | MigrationStatus::Active
                | MigrationStatus::PreSwitchover
                | MigrationStatus::Device
                | MigrationStatus::Cancelling
        )
    }

    /// Returns whether the migration is over, with any result.
    pub fn is_terminal(self) -> bool {
        matches!(
            self,
            MigrationStatus::Completed | MigrationStatus::Failed | MigrationStatus::Cancelled
        )
    }
}

impl fmt::Display for MigrationStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The direction of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The machine leaves this process.
    Outgoing,
    /// The machine comes to this process.
    Incoming,
}
