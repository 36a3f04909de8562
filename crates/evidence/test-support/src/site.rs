//! Where one test keeps its files: nothing of it is left afterwards.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Memory-backed on Linux: RAM files there cost no disk traffic.
const SHARED_MEMORY: &str = "/dev/shm";

/// Room left over for tests that run beside this one, in bytes.
const SPARE: u64 = 512 << 20;

/// The directories of one test. Declare it before the programs that use it,
/// so that they are killed before their files go.
pub struct Site {
    scratch: TempDir,
    source: TempDir,
    destination: TempDir,
}

impl Site {
    /// Makes empty directories with room for two RAM files of `size` bytes.
    pub fn new(size: u64) -> Site {
        let ram = |role: &str| {
            let mut builder = tempfile::Builder::new();
            builder.prefix(role);
            if has_room(Path::new(SHARED_MEMORY), 2 * size + SPARE) {
                builder.tempdir_in(SHARED_MEMORY)
            } else {
                builder.tempdir()
            }
            .expect("a directory for RAM files")
        };
        Site {
            scratch: TempDir::new().expect("a directory for sockets and logs"),
            source: ram("source-"),
            destination: ram("destination-"),
        }
    }

    /// For sockets, logs and stream files.
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// The RAM file of the source.
    pub fn source_ram(&self) -> PathBuf {
        self.source.path().join("ram")
    }

    /// The RAM file of the destination, in a directory of its own.
    pub fn destination_ram(&self) -> PathBuf {
        self.destination.path().join("ram")
    }

    /// What there is in the destination's directory, by name.
    pub fn destination_files(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.destination.path())
            .expect("the destination's directory can be listed")
            .map(|entry| {
                let entry = entry.expect("a directory entry can be read");
                entry.file_name().to_string_lossy().into_owned()
            })
            .collect();
        names.sort();
        names
    }
}

/// Whether `directory` exists on a file system with that many free bytes.
/// Containers often have a `/dev/shm` of 64 MiB: a RAM file that does not fit
/// there would be a SIGBUS in QEMU, not an error.
fn has_room(directory: &Path, bytes: u64) -> bool {
    let Ok(df) = Command::new("df").arg("-kP").arg(directory).output() else {
        return false;
    };
    let text = String::from_utf8_lossy(&df.stdout);
    let available = text
        .lines()
        .nth(1)
        .and_then(|line| line.split_whitespace().nth(3))
        .and_then(|field| field.parse::<u64>().ok());
    available.is_some_and(|kib| kib * 1024 >= bytes)
}
