//! Why the program ends with exit status 1.

use std::io;
use std::path::PathBuf;

use machine::{MachineError, VcpuError};
use migration::bql::AttachError;
use migration::{CommandError, InitError, Uri};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// What was asked for cannot be meant. Exit status 2.
    #[error("{0}")]
    Usage(String),
    /// The report has said it.
    #[error("the migration did not work")]
    Reported,
    #[error("cannot use the RAM file {}", path.display())]
    RamFile { path: PathBuf, source: io::Error },
    #[error("cannot use the report file {}", path.display())]
    ReportFile { path: PathBuf, source: io::Error },
    #[error("cannot use {uri}")]
    Uri { uri: Uri, source: io::Error },
    #[error("cancelled")]
    Interrupted,
    #[error("cannot set up {what}")]
    SetUp { what: &'static str, source: io::Error },
    #[error("the destination process {what}")]
    Destination { what: &'static str, source: Option<io::Error> },
    #[error("cannot print the result")]
    Print(#[source] io::Error),
    #[error(transparent)]
    Machine(#[from] MachineError),
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
    /// What to say of a file that cannot be used.
    pub(crate) fn ram_file(path: &std::path::Path) -> impl FnOnce(io::Error) -> Failure {
        let path = path.to_owned();
        move |source| Failure::RamFile { path, source }
    }

    /// What to say of a report that cannot be written.
    pub(crate) fn report_file(path: &std::path::Path) -> impl FnOnce(io::Error) -> Failure {
        let path = path.to_owned();
        move |source| Failure::ReportFile { path, source }
    }

    /// What to say of a URI that cannot be used.
    pub(crate) fn uri(uri: &Uri) -> impl FnOnce(io::Error) -> Failure {
        let uri = uri.clone();
        move |source| Failure::Uri { uri, source }
    }

    /// What to say of something that cannot be had.
    pub(crate) fn set_up(what: &'static str) -> impl FnOnce(io::Error) -> Failure {
        move |source| Failure::SetUp { what, source }
    }
}
