//! The inside of live migration: QEMU's `migration/`, where every function is handed its
//! object.
//!
//! [`MigrationState`] is the object. Each function that works on a migration takes
//! `&MigrationState` as its first argument; there is no `static`, no thread-local and no
//! lazily made cell in this crate, and it cannot name the global that the outside uses. Two
//! objects in one process do not see each other.
//!
//! What a function may do with the big lock stands in its signature, see [`bql`]: hooks that
//! save device state get `&BqlGuard`, call-outs get `&mut BqlGuard`, whatever waits for a
//! peer has `&mut BqlUnlocked`.
//!
//! | here | QEMU |
//! | --- | --- |
//! | [`migrate`], the phases in `outgoing/` | `migration_thread`, `migration/migration.c` |
//! | [`migrate_incoming`], `incoming/` | `process_incoming_migration_co`, `qemu_loadvm_state` |
//! | [`RamBlock`], [`DirtyLog`] | `RAMBlock`, `memory_global_dirty_log_start` |
//! | [`Device`], [`Vm`] | `vmstate_register`, `vm_stop_force_state` |
//! | [`Observer`] | what the dirty-limit thread and the vCPUs read without the BQL |
#![deny(missing_docs)]

mod attempt;
mod channel;
mod course;
mod error;
mod guest_io;
mod host;
pub mod incoming;
mod life;
pub mod outgoing;
mod parameters;
mod progress;
mod ram;
mod registrations;
mod state;
mod status;
mod stop;
pub mod transitions;
mod transport;
mod uri;

pub use attempt::{Begun, Cleaned};
pub use course::{Course, Pass};
pub use error::{MigrationError, RestoreError};
pub use host::{Device, Host, HostError, RunState, Vm, VmStopped};
pub use incoming::migrate_incoming;
pub use life::{Life, LifeEvent, LifeEventKind};
pub use outgoing::migrate;
pub use parameters::{
    AnnounceParameters, MigMode, MigModes, MigrationCapabilities, MigrationParameters,
    ParameterError, ZeroPageDetection,
};
pub use progress::{MigrationInfo, Observer, error_chain};
pub use ram::{DirtyBitmap, DirtyLog, GuestMemory, PAGE_WORDS, RamBlock, RamSizeError};
pub use registrations::{BlockError, Blocker, MigrationEvent, Notifier, Registrations};
pub use state::MigrationState;
pub use status::{Direction, MigrationStatus};
pub use transport::Endpoint;
pub use uri::{Uri, UriError};
