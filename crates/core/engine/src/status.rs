//! The run-time status of a migration, in the names of QAPI's `MigrationStatus`.
//!
//! It is derived from the phase a migration is in, for queries and events. No decision of
//! the engine is made from it but *is one running*.

use std::fmt;

/// What `query-migrate` calls `status` (`qapi/migration.json`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum MigrationStatus {
    /// No migration was asked for yet.
    None,
    /// Connecting, or setting up.
    Setup,
    /// Cancelled, and still cleaning up.
    Cancelling,
    /// Cancelled; the machine stays here.
    Cancelled,
    /// Memory is on its way.
    Active,
    /// The machine is stopped, and waits for its user's word before the devices go
    /// (capability pause-before-switchover).
    PreSwitchover,
    /// The machine is stopped and its devices are on their way.
    Device,
    /// Done.
    Completed,
    /// It did not work; the machine stays where it was. If it may run at the destination all the
    /// same, it stays stopped here ([`MigrationState::cont`](crate::MigrationState::cont)).
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

    /// QAPI's name.
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

    /// Between the command and the end of cleanup: `migration_is_running` of
    /// `migration/migration.c`.
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

    /// Over, one way or the other.
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

/// Which way a machine moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Away from here.
    Outgoing,
    /// To here.
    Incoming,
}
