//! The inside of live migration: QEMU's `migration/`, where every function gets its migration
//! object as an argument.
//!
//! [`MigrationState`] is the object. Each function that works on a migration takes
//! `&MigrationState` as its first argument. The crate has no `static`, no thread-local and no
//! lazily initialised cell, and it cannot name the global that the outside uses. Two objects in one
//! process do not see each other.
//!
//! ```
//! use std::time::Duration;
//!
//! use bql::{BqlGuard, BqlUnlocked};
//! use engine::{
//!     Direction, Host, MigrationState, MigrationStatus, RunState, Uri, Vm, VmArrived, VmStopped,
//! };
//!
//! /// A machine that never runs.
//! struct Still;
//! impl Vm for Still {
//!     fn run_state(&self, _: &BqlGuard<'_>) -> RunState { RunState::Paused }
//!     fn stop_for_migration(&self, _: &mut BqlGuard<'_>) -> RunState { RunState::Paused }
//!     fn resume_after_failure(&self, _: &mut BqlGuard<'_>, _: &VmStopped) {}
//!     fn has_moved(&self, _: &mut BqlGuard<'_>, _: &VmStopped) {}
//!     fn has_arrived(&self, _: &mut BqlGuard<'_>, _: &VmArrived) {}
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut thread = BqlUnlocked::attach()?;
//! let state = MigrationState::new(Host::new("none", Still))?;
//! let observer = state.observer(Direction::Outgoing);
//! let uri: Uri = "exec:cat > /dev/null".parse()?;
//! engine::migrate(state, &mut thread.lock(), uri.into())?; // begins, and returns
//! let minute = Duration::from_secs(60);
//! let status = observer.wait(&mut thread, minute, |status, _| status.is_terminal());
//! assert_eq!(status, MigrationStatus::Completed);
//! # Ok(())
//! # }
//! ```
//!
//! The signature of a function says what it may do with the big lock (see [`bql`]): hooks that save
//! device state get `&BqlGuard`, call-outs get `&mut BqlGuard`, and code that waits for a peer has
//! `&mut BqlUnlocked`.
//!
//! | here | QEMU |
//! | --- | --- |
//! | [`migrate`], the phases in `outgoing/` | `migration_thread`, `migration/migration.c` |
//! | [`migrate_incoming`], `incoming/` | `process_incoming_migration_co`, `qemu_loadvm_state` |
//! | [`RamBlock`], [`DirtyLog`] | `RAMBlock`, `memory_global_dirty_log_start` |
//! | [`Device`], [`Vm`] | `vmstate_register`, `vm_stop_force_state` |
//! | [`Observer`] | the state a thread without the BQL reads, as QEMU's dirty-limit thread |
//!
//! # Caveats
//!
//! The engine trusts the [`DirtyLog`]: a write that it does not report is lost. It also trusts the
//! [`Vm`] to stop when asked. Postcopy, compression and encryption are not built.
//!
//! # Alternatives
//!
//! Code outside, which asks about *the* migration of its process and has no object to pass on, uses
//! the crate `lastref-migration`.

#[macro_use]
mod spans;

mod agreement;
mod attempt;
mod course;
mod error;
mod fate;
mod host;
pub mod incoming;
mod life;
mod memory;
pub mod outgoing;
mod parameters;
mod progress;
mod registrations;
mod rights;
mod sigpipe;
mod state;
mod status;
pub mod transitions;
mod transport;

pub use attempt::{Begun, Cleaned};
pub use course::{Course, Pass};
pub use error::{MigrationError, RestoreError};
pub use host::{Device, Host, HostError, RunState, SettleError, Vm};
pub use incoming::migrate_incoming;
pub use life::{Life, LifeEvent, LifeEventKind};
pub use memory::{DirtyBitmap, DirtyLog, GuestMemory, PAGE_WORDS, RamBlock, RamSizeError};
pub use outgoing::migrate;
pub use parameters::{
    AnnounceParameters, MigMode, MigModes, MigrationCapabilities, MigrationParameters,
    ParameterError, ZeroPageDetection,
};
pub use progress::{MigrationInfo, Observer, error_chain};
pub use registrations::{BlockError, Blocker, MigrationEvent, Notifier, Registrations};
pub use rights::{VmArrived, VmStopped, VmWaiting};
pub use state::MigrationState;
pub use status::{Direction, MigrationStatus};
pub use transport::{Endpoint, Uri, UriError};
pub use wire::Uuid;
