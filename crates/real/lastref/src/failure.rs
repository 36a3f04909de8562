//! The errors of the program, which exits with status 1, or 2 for wrong usage.

use std::io;
use std::path::PathBuf;

use machine::{MachineError, VcpuError};
use migration::bql::AttachError;
use migration::{CommandError, InitError, Uri};

use crate::inspect::{ExtractError, OpenError};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The arguments make no sense together. Exit status 2.
    #[error("{0}")]
    Usage(String),
    /// The report has already shown the failure.
    #[error("the migration failed")]
    Reported,
    #[error("cannot use the RAM file {}", path.display())]
    RamFile { path: PathBuf, source: io::Error },
    #[error("cannot use the report file {}", path.display())]
    ReportFile { path: PathBuf, source: io::Error },
    #[error("cannot read {} as a stream", path.display())]
    Stream { path: PathBuf, source: Box<OpenError> },
    #[error("cannot write {}", path.display())]
    Output { path: PathBuf, source: io::Error },
    #[error("cannot extract {name:?} from {}", path.display())]
    Extract { name: String, path: PathBuf, source: Box<ExtractError> },
    #[error("cannot use {uri}")]
    Uri { uri: Uri, source: io::Error },
    #[error("cancelled")]
    Interrupted,
    #[error("cannot set up {what}")]
    SetUp { what: &'static str, source: io::Error },
    #[error("the destination process {what}")]
    Destination { what: &'static str, source: Option<io::Error> },
    #[error("the machine cannot be checked: {0}")]
    Guest(String),
    #[error("cannot print the result")]
    Print(#[source] io::Error),
    #[error(transparent)]
    Machine(#[from] MachineError),
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    #[error(transparent)]
    Kvm(#[from] kvm_machine::KvmError),
    #[error(transparent)]
    Vcpu(#[from] VcpuError),
    #[error(transparent)]
    Attach(#[from] AttachError),
    #[error(transparent)]
    Init(#[from] InitError),
    #[error(transparent)]
    Command(#[from] CommandError),
}

impl Failure {
    /// Makes the error for a RAM file that cannot be used.
    pub(crate) fn ram_file(path: &std::path::Path) -> impl FnOnce(io::Error) -> Failure {
        let path = path.to_owned();
        move |source| Failure::RamFile { path, source }
    }

    /// Makes the error for a report that cannot be written.
    pub(crate) fn report_file(path: &std::path::Path) -> impl FnOnce(io::Error) -> Failure {
        let path = path.to_owned();
        move |source| Failure::ReportFile { path, source }
    }

    /// Makes the error for a URI that cannot be used.
    pub(crate) fn uri(uri: &Uri) -> impl FnOnce(io::Error) -> Failure {
        let uri = uri.clone();
        move |source| Failure::Uri { uri, source }
    }

    /// Makes the error for a resource that cannot be set up.
    pub(crate) fn set_up(what: &'static str) -> impl FnOnce(io::Error) -> Failure {
        move |source| Failure::SetUp { what, source }
    }
}
