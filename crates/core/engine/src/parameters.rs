//! The settings of a user: `migrate-set-parameters` and `migrate-set-capabilities` of QMP, with
//! QEMU's names and defaults.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The parameters of a migration (`qapi/migration.json`, `MigrationParameters`). They may be
/// changed while a migration runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MigrationParameters {
    /// `max-bandwidth`: bytes per second while the machine runs; 0 means no limit. There is no
    /// limit while the machine is stopped.
    pub max_bandwidth: u64,
    /// `downtime-limit`: how long the machine may be stopped.
    pub downtime_limit: Duration,
    /// `mode`: the kind of the next migration.
    pub mode: MigMode,
    /// `multifd-channels`: the number of channels that carry pages beside the main one, with
    /// capability `multifd`; 1 to 255, and the same at both ends.
    pub multifd_channels: u8,
    /// `zero-page-detection`: the threads that look for zero pages.
    pub zero_page_detection: ZeroPageDetection,
    /// QEMU's property `multifd-flush-after-each-section`, which a destination before QEMU 8.1
    /// expects. A destination ignores it and detects what its source does.
    pub multifd_flush_after_each_section: bool,
    /// `announce-*`: how a machine that has arrived announces itself to the network.
    pub announce: AnnounceParameters,
}

impl Default for MigrationParameters {
    fn default() -> Self {
        MigrationParameters {
            max_bandwidth: 128 << 20,
            downtime_limit: Duration::from_millis(300),
            mode: MigMode::Normal,
            multifd_channels: 2,
            zero_page_detection: ZeroPageDetection::Multifd,
            multifd_flush_after_each_section: false,
            announce: AnnounceParameters::default(),
        }
    }
}

/// The threads that look for zero pages (`ZeroPageDetection` of QAPI).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZeroPageDetection {
    /// The migration thread, which sends zero pages on the main channel. A destination before QEMU
    /// 9.0 needs this.
    Legacy,
    /// The threads of the channels, with capability `multifd`; otherwise like [`Self::Legacy`].
    Multifd,
}

/// The announcement of a machine that has arrived to the network (`AnnounceParameters` of QAPI).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnnounceParameters {
    /// `announce-initial`: the time before the first announcement.
    pub initial: Duration,
    /// `announce-max`: the longest time between two announcements.
    pub max: Duration,
    /// `announce-rounds`: the number of announcements.
    pub rounds: u32,
    /// `announce-step`: the increment of the time between two announcements.
    pub step: Duration,
}

impl Default for AnnounceParameters {
    fn default() -> Self {
        AnnounceParameters {
            initial: Duration::from_millis(50),
            max: Duration::from_millis(550),
            rounds: 5,
            step: Duration::from_millis(100),
        }
    }
}

/// A parameter out of its range (`migration/options.c`, `migrate_params_check`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("parameter `{name}` expects {expected}")]
pub struct ParameterError {
    name: &'static str,
    expected: &'static str,
}

impl MigrationParameters {
    /// The longest `downtime-limit`.
    pub const MAX_DOWNTIME_LIMIT: Duration = Duration::from_millis(2_000_000);

    /// Checks that each parameter is in its range.
    ///
    /// # Errors
    ///
    /// Returns the first parameter that is out of its range.
    pub(crate) fn check(&self) -> Result<(), ParameterError> {
        const ANNOUNCE: Duration = Duration::from_millis(100_000);
        let AnnounceParameters { initial, max, rounds, step } = self.announce;
        let step_range = Duration::from_millis(1)..=Duration::from_millis(10_000);
        let rules = [
            (
                self.downtime_limit <= Self::MAX_DOWNTIME_LIMIT,
                "downtime-limit",
                "milliseconds from 0 to 2000000",
            ),
            (self.multifd_channels != 0, "multifd-channels", "a number from 1 to 255"),
            (initial <= ANNOUNCE, "announce-initial", "milliseconds from 0 to 100000"),
            (max <= ANNOUNCE, "announce-max", "milliseconds from 0 to 100000"),
            (rounds <= 1000, "announce-rounds", "a number from 0 to 1000"),
            (step_range.contains(&step), "announce-step", "milliseconds from 1 to 10000"),
        ];
        match rules.into_iter().find(|(kept, ..)| !kept) {
            Some((_, name, expected)) => Err(ParameterError { name, expected }),
            None => Ok(()),
        }
    }
}

/// The kind of a migration (`MigMode` of QAPI). Blockers and notifiers may be limited to some
/// kinds. The engine itself has only `Normal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum MigMode {
    /// A migration to another process, while the machine runs.
    Normal,
    /// A migration to a file, for the time in which the host restarts.
    CprReboot,
    /// A migration to another process on this host, which takes over the memory.
    CprTransfer,
    /// A migration to the program that this process executes.
    CprExec,
}

impl MigMode {
    /// Returns QAPI's name.
    pub fn name(self) -> &'static str {
        match self {
            MigMode::Normal => "normal",
            MigMode::CprReboot => "cpr-reboot",
            MigMode::CprTransfer => "cpr-transfer",
            MigMode::CprExec => "cpr-exec",
        }
    }
}

/// A set of modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MigModes(u8);

impl MigModes {
    /// Every mode.
    pub const ALL: MigModes = MigModes(0b1111);

    /// Returns whether the set contains `mode`.
    pub fn contains(self, mode: MigMode) -> bool {
        self.0 & 1 << mode as u8 != 0
    }
}

impl From<MigMode> for MigModes {
    fn from(mode: MigMode) -> Self {
        MigModes(1 << mode as u8)
    }
}

impl std::ops::BitOr for MigModes {
    type Output = MigModes;

    fn bitor(self, other: MigModes) -> MigModes {
        MigModes(self.0 | other.0)
    }
}

/// The optional features of a migration (`MigrationCapability` of QAPI). They cannot be changed
/// while a migration runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MigrationCapabilities {
    /// `pause-before-switchover`: after the machine is stopped, wait for `migrate-continue`.
    pub pause_before_switchover: bool,
    /// `multifd`: send pages on separate channels, each with its own thread.
    pub multifd: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Values {
    parameters: MigrationParameters,
    capabilities: MigrationCapabilities,
}

/// The settings that the monitor changes and the migration thread reads. The mutex is never held
/// over I/O.
#[derive(Debug, Default)]
pub(crate) struct Options(Mutex<Values>);

impl Options {
    fn lock(&self) -> MutexGuard<'_, Values> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn parameters(&self) -> MigrationParameters {
        self.lock().parameters
    }

    pub(crate) fn set_parameters(&self, parameters: MigrationParameters) {
        self.lock().parameters = parameters;
    }

    pub(crate) fn capabilities(&self) -> MigrationCapabilities {
        self.lock().capabilities
    }

    pub(crate) fn set_capabilities(&self, capabilities: MigrationCapabilities) {
        self.lock().capabilities = capabilities;
    }
}
