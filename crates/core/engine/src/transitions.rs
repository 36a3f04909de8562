//! QEMU's tables of status transitions, as data.
//!
//! Every row of QEMU is here, with what the engine makes of it. The engine makes no other
//! transition: debug assertions check each one against this table, and a test drives every row that
//! the engine claims.

use crate::status::{Direction, MigrationStatus};

/// One transition, in QAPI's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    /// The status before.
    pub from: &'static str,
    /// The status after.
    pub to: &'static str,
    /// When it happens.
    pub when: &'static str,
    /// How the engine treats it.
    pub here: Here,
}

/// How the engine treats a transition of QEMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Here {
    /// The engine does the same.
    Same,
    /// Only the engine does this, for the given reason.
    Ours(&'static str),
    /// Only QEMU does this, for the given reason.
    Not(&'static str),
}

const fn same(from: &'static str, to: &'static str, when: &'static str) -> Transition {
    Transition { from, to, when, here: Here::Same }
}

const fn ours(
    from: &'static str,
    to: &'static str,
    when: &'static str,
    why: &'static str,
) -> Transition {
    Transition { from, to, when, here: Here::Ours(why) }
}

const fn not(
    from: &'static str,
    to: &'static str,
    when: &'static str,
    why: &'static str,
) -> Transition {
    Transition { from, to, when, here: Here::Not(why) }
}

const AGAIN: &str = "QEMU passes through `none`; nobody needs to see that";
const NO_FAILED_SETUP: &str =
    "QEMU 10.0 stays in `setup` and takes no second command; 7.2 stays in `none` and does";
const POSTCOPY: &str = "postcopy is not built";
const COLO: &str = "COLO is not built";
const SNAPSHOT: &str = "snapshots are not built";
const UNPLUG: &str = "the machine has no failover network device";
const NO_CANCEL: &str = "a destination of QEMU stops only when its process ends";

/// The transitions of `MigrationState.state` (`migration/migration.c`).
pub const OUTGOING: &[Transition] = &[
    same("none", "setup", "the command"),
    ours("completed", "setup", "the command, again", AGAIN),
    ours("failed", "setup", "the command, again", AGAIN),
    ours("cancelled", "setup", "the command, again", AGAIN),
    same("setup", "active", "the head of the stream is out"),
    same("setup", "failed", "no connection, or a notifier refuses"),
    same("setup", "cancelling", "cancel"),
    same("active", "failed", "the stream breaks"),
    same("active", "cancelling", "cancel"),
    same("active", "pre-switchover", "the machine is stopped, with pause-before-switchover"),
    same("active", "device", "the machine is stopped"),
    same("pre-switchover", "device", "migrate-continue"),
    same("pre-switchover", "failed", "a device reports an error"),
    same("pre-switchover", "cancelling", "cancel"),
    same("device", "completed", "the destination has everything"),
    same("device", "failed", "the stream breaks, or the destination does not confirm"),
    same("device", "cancelling", "cancel"),
    same("cancelling", "cancelled", "cleaned up"),
    ours(
        "cancelling",
        "completed",
        "the machine was given away before the cancel",
        "it runs there; QEMU shows `cancelled` and may run it on both sides",
    ),
    ours(
        "cancelling",
        "failed",
        "it had failed before the cancel, or was given away and the destination does not confirm",
        "where it was given away it stays stopped here, since it may run there",
    ),
    not("setup", "completed", "savevm", SNAPSHOT),
    not("active", "completed", "background snapshot", SNAPSHOT),
    not("setup", "wait-unplug", "a network device is to be unplugged", UNPLUG),
    not("wait-unplug", "active", "it is unplugged", UNPLUG),
    not("device", "postcopy-device", "postcopy starts", POSTCOPY),
    not("device", "postcopy-active", "postcopy starts without a return path", POSTCOPY),
    not("postcopy-device", "postcopy-active", "the destination has the devices", POSTCOPY),
    not("postcopy-device", "failed", "the stream breaks before the destination starts", POSTCOPY),
    not("postcopy-active", "completed", "all memory is there", POSTCOPY),
    not("postcopy-active", "postcopy-paused", "the stream breaks", POSTCOPY),
    not("postcopy-recover", "postcopy-paused", "the stream breaks again", POSTCOPY),
    not("postcopy-paused", "postcopy-recover-setup", "migrate with resume", POSTCOPY),
    not("postcopy-recover-setup", "postcopy-paused", "no connection", POSTCOPY),
    not("postcopy-recover-setup", "postcopy-recover", "connected", POSTCOPY),
    not("postcopy-recover", "postcopy-active", "the destination goes on", POSTCOPY),
    not("device", "colo", "the first checkpoint", COLO),
    not("colo", "completed", "failover", COLO),
    not("completed", "failed", "cpr-exec cannot start the program", "cpr-exec is not built"),
];

/// The transitions of `MigrationIncomingState.state`.
pub const INCOMING: &[Transition] = &[
    same("none", "setup", "the command"),
    ours("completed", "setup", "the command, again", AGAIN),
    ours("failed", "setup", "the command, again", "QEMU ends, or refuses a second try"),
    ours("cancelled", "setup", "the command, again", AGAIN),
    same("setup", "active", "the source has connected"),
    ours("setup", "failed", "cannot listen at this URI", NO_FAILED_SETUP),
    ours("setup", "cancelling", "cancel", NO_CANCEL),
    same("active", "completed", "everything is in place"),
    same("active", "failed", "the stream cannot be loaded"),
    ours("active", "cancelling", "cancel", NO_CANCEL),
    ours("cancelling", "cancelled", "cleaned up", NO_CANCEL),
    ours("cancelling", "completed", "the cancel came too late", "the machine is here"),
    ours(
        "cancelling",
        "failed",
        "too late: it had failed, or what came cannot be kept here",
        NO_CANCEL,
    ),
    not("active", "postcopy-device", "postcopy starts", POSTCOPY),
    not("active", "postcopy-active", "postcopy starts without a return path", POSTCOPY),
    not("postcopy-device", "postcopy-active", "the machine runs", POSTCOPY),
    not("postcopy-active", "completed", "all memory is here", POSTCOPY),
    not("postcopy-active", "postcopy-paused", "the stream breaks", POSTCOPY),
    not("postcopy-recover", "postcopy-paused", "the stream breaks again", POSTCOPY),
    not("postcopy-paused", "postcopy-recover", "migrate-recover", POSTCOPY),
    not("postcopy-recover", "postcopy-active", "the source goes on", POSTCOPY),
    not("active", "colo", "the first checkpoint", COLO),
    not("colo", "completed", "failover", COLO),
];

/// Returns the table of one direction.
pub fn transitions(direction: Direction) -> &'static [Transition] {
    match direction {
        Direction::Outgoing => OUTGOING,
        Direction::Incoming => INCOMING,
    }
}

/// Returns whether the engine may go from status `from` to status `to`.
pub(crate) fn allows(direction: Direction, from: MigrationStatus, to: MigrationStatus) -> bool {
    transitions(direction).iter().any(|row| {
        row.from == from.name() && row.to == to.name() && !matches!(row.here, Here::Not(_))
    })
}
