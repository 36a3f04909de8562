//! A file that appears complete or not at all.
//!
//! ```
//! use std::io::Write;
//!
//! use whole_file::WholeFile;
//!
//! # let folder = tempfile::tempdir()?;
//! let path = folder.path().join("ram");
//! let file = WholeFile::create(&path)?;
//! file.as_file().write_all(b"all of it")?;
//! assert!(!path.exists());
//! file.persist()?;
//! assert_eq!(std::fs::read(&path)?, b"all of it");
//! # Ok::<(), std::io::Error>(())
//! ```
#![forbid(unsafe_code)]

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use tempfile::NamedTempFile;

/// Permission to read and write for all users, less the process's umask.
const MODE: u32 = 0o666;

/// Permission to read and write for the owner alone.
const PRIVATE: u32 = 0o600;

/// An unfinished file. [`persist`](WholeFile::persist) gives it its name once it is complete; a
/// file that is dropped before disappears, and the old file of that name stays unchanged. (A path
/// that is not a plain file is written in place, and keeps what was written.)
#[derive(Debug)]
pub struct WholeFile {
    path: PathBuf,
    file: Unfinished,
}

/// The place of the bytes until the file is complete.
#[derive(Debug)]
enum Unfinished {
    /// A file without a name (`O_TMPFILE`). It ends with the process, however that ends.
    Nameless(File),
    /// A file next to the destination. A process that is killed leaves it there.
    Named(NamedTempFile),
    /// The destination itself, which is not a plain file: a device, a pipe.
    InPlace(File),
}

impl WholeFile {
    /// Starts a file that will be at `path`, and checks that it can be. It inherits mode and owner
    /// of a file that it replaces. A symbolic link stays; the file that it points to is created or
    /// replaced. A path that is not a plain file is written in place.
    ///
    /// # Errors
    ///
    /// If there can be no such file; if `path` is a folder, or a pipe without a reader; or if it is
    /// a file of another user, whom this process cannot make the owner of the new one.
    pub fn create(path: &Path) -> io::Result<Self> {
        Self::with_mode(path, MODE)
    }

    /// Starts a file like [`create`](WholeFile::create), but only its owner may read and write a
    /// new one, since it holds a guest's memory.
    ///
    /// # Errors
    ///
    /// Those of [`create`](WholeFile::create).
    pub fn create_private(path: &Path) -> io::Result<Self> {
        Self::with_mode(path, PRIVATE)
    }

    fn with_mode(path: &Path, mode: u32) -> io::Result<Self> {
        let path = match fs::metadata(path) {
            Ok(there) if there.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(there) if !there.is_file() => {
                let file = Unfinished::InPlace(open_in_place(path)?);
                return Ok(WholeFile { path: path.to_owned(), file });
            }
            Ok(there) => {
                let user = rustix::process::geteuid();
                if there.uid() != user.as_raw() && !user.is_root() {
                    return Err(io::Error::new(io::ErrorKind::PermissionDenied, SOMEBODY_ELSES));
                }
                path.canonicalize()?
            }
            Err(_) => behind_links(path)?,
        };
        // Falls back to a named file; if that fails too, returns its error.
        let file = match nameless(folder(&path), mode) {
            Some(file) => Unfinished::Nameless(file),
            None => Unfinished::Named(named(folder(&path), mode)?),
        };
        Ok(WholeFile { path, file })
    }

    /// Returns the file, to read and write. One that is not a plain file can only be written.
    pub fn as_file(&self) -> &File {
        match &self.file {
            Unfinished::Nameless(file) | Unfinished::InPlace(file) => file,
            Unfinished::Named(file) => file.as_file(),
        }
    }

    /// Gives the complete file its name, and atomically replaces an old file of that name.
    ///
    /// # Errors
    ///
    /// If the file cannot get the name. It is lost then.
    pub fn persist(self) -> io::Result<()> {
        if !matches!(self.file, Unfinished::InPlace(_)) {
            if let Ok(before) = fs::symlink_metadata(&self.path) {
                take_after(self.as_file(), &before)?;
            }
        }
        let WholeFile { path, file } = self;
        match file {
            Unfinished::InPlace(_) => Ok(()),
            Unfinished::Named(file) => Ok(file.persist(path).map(drop)?),
            Unfinished::Nameless(file) => {
                let link = |name: &Path| -> io::Result<()> {
                    let file = by_descriptor(&file);
                    Ok(rustix::fs::linkat(CWD, &file, CWD, name, AtFlags::SYMLINK_FOLLOW)?)
                };
                match link(&path) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    linked => return linked,
                }
                // No system call links a file over an existing one. So the file gets a temporary
                // name and is renamed. A process that is killed in between leaves it there, whole.
                let named = names().make_in(folder(&path), link).map_err(without_path)?;
                Ok(named.persist(path).map(drop)?)
            }
        }
    }
}

/// The reason not to replace a file of another user.
const SOMEBODY_ELSES: &str = "it belongs to another user, who would not own the new file";

/// Gives a new file the mode and the owner of the one that it replaces.
fn take_after(file: &File, before: &Metadata) -> io::Result<()> {
    let now = file.metadata()?;
    if (now.uid(), now.gid()) != (before.uid(), before.gid()) {
        std::os::unix::fs::fchown(file, Some(before.uid()), Some(before.gid()))?;
    }
    file.set_permissions(before.permissions())
}

/// Returns the path that a symbolic link points to, where no file exists yet.
fn behind_links(path: &Path) -> io::Result<PathBuf> {
    /// Maximum number of links that Linux follows.
    const MOST: usize = 40;

    let mut path = path.to_owned();
    for _ in 0..MOST {
        match fs::read_link(&path) {
            Ok(next) => path = folder(&path).join(next),
            Err(_) => return Ok(path),
        }
    }
    Err(Errno::LOOP.into())
}

fn folder(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Makes names that no file has.
fn names<'a>() -> tempfile::Builder<'a, 'a> {
    let mut names = tempfile::Builder::new();
    names.prefix(".lastref-");
    names
}

fn named(folder: &Path, mode: u32) -> io::Result<NamedTempFile> {
    names().permissions(Permissions::from_mode(mode)).tempfile_in(folder).map_err(without_path)
}

/// Removes the temporary name from an error, since no user has chosen it.
fn without_path(error: io::Error) -> io::Error {
    match error.to_string().split_once(" at path \"") {
        Some((words, _)) => io::Error::new(error.kind(), words.to_owned()),
        None => error,
    }
}

/// Opens a file in `folder` that has no name and can get one, if the system supports it.
fn nameless(folder: &Path, mode: u32) -> Option<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(folder, flags, Mode::from_raw_mode(mode)).ok()?);
    // Without `/proc` it could not get a name.
    by_descriptor(&file).exists().then_some(file)
}

fn by_descriptor(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// Opens a path that is not a plain file, without waiting for a reader of a pipe.
fn open_in_place(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(OFlags::NONBLOCK.bits() as i32);
    let file = options.open(path).map_err(|error| match error.raw_os_error() {
        Some(code) if code == Errno::NXIO.raw_os_error() => {
            io::Error::new(error.kind(), "it is a named pipe without a reader")
        }
        _ => error,
    })?;
    let flags = rustix::fs::fcntl_getfl(&file)?;
    rustix::fs::fcntl_setfl(&file, flags - OFlags::NONBLOCK)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::fs::{FileTypeExt, symlink};

    use super::*;

    fn entries(folder: &Path) -> Vec<PathBuf> {
        let mut entries: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        entries
    }

    /// Starts a file of each kind that will be at `path`.
    fn kinds(path: &Path) -> [WholeFile; 2] {
        let nameless =
            nameless(folder(path), MODE).expect("a file system that has files without a name");
        let named = named(folder(path), MODE).unwrap();
        [Unfinished::Nameless(nameless), Unfinished::Named(named)]
            .map(|file| WholeFile { path: path.to_owned(), file })
    }

    #[test]
    fn it_is_there_when_it_is_whole_in_place_of_what_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for (number, file) in kinds(&path).into_iter().enumerate() {
            let before = fs::read(&path).ok();
            write!(file.as_file(), "all of {number}").unwrap();
            assert_eq!(fs::read(&path).ok(), before);
            file.persist().unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("all of {number}"));
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            File::create(folder.path().join("other")).unwrap();
            let other = fs::metadata(folder.path().join("other")).unwrap().permissions().mode();
            assert_eq!(mode, other, "as any new file");
        }
        assert_eq!(entries(folder.path()).len(), 2);
    }

    #[test]
    fn an_error_names_no_file_that_nobody_has_chosen() {
        let folder = tempfile::tempdir().unwrap();
        let error = WholeFile::create(&folder.path().join("none/file")).unwrap_err();
        assert_eq!(error.to_string(), "No such file or directory (os error 2)");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn dropped_it_leaves_nothing_and_without_a_name_there_is_nothing_to_leave() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let [nameless, named] = kinds(&path);
        assert_eq!(entries(folder.path()).len(), 1, "the named one");
        drop(named);
        assert!(entries(folder.path()).is_empty());
        nameless.as_file().write_all(b"half").unwrap();
        assert!(entries(folder.path()).is_empty());
        drop(nameless);
        assert!(matches!(WholeFile::create(&path).unwrap().file, Unfinished::Nameless(_)));
    }

    #[test]
    fn the_file_behind_a_link_is_replaced_and_the_link_stays() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link] = ["file", "link"].map(|name| folder.path().join(name));
        fs::write(&file, "old").unwrap();
        symlink("file", &link).unwrap();
        let new = WholeFile::create(&link).unwrap();
        new.as_file().write_all(b"new").unwrap();
        new.persist().unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(fs::read_link(&link).unwrap(), Path::new("file"));
    }

    #[test]
    fn a_link_that_leads_to_nothing_yet_leads_to_the_new_file() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link, first] = ["file", "link", "first"].map(|name| folder.path().join(name));
        symlink("file", &link).unwrap();
        symlink(&link, &first).unwrap();
        let new = WholeFile::create(&first).unwrap();
        new.as_file().write_all(b"new").unwrap();
        new.persist().unwrap();
        assert!(fs::symlink_metadata(&file).unwrap().is_file());
        assert_eq!(fs::read_to_string(&first).unwrap(), "new");
        symlink("round", folder.path().join("round")).unwrap();
        WholeFile::create(&folder.path().join("round")).expect_err("round and round");
    }

    #[test]
    fn what_exists_keeps_its_mode_and_owner_and_what_is_private_is_the_owners() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
        WholeFile::create_private(&path).unwrap().persist().unwrap();
        assert_eq!(mode(), 0o600);
        for kept in [0o640, 0o600, 0o444] {
            fs::set_permissions(&path, Permissions::from_mode(kept)).unwrap();
            for file in kinds(&path) {
                file.persist().unwrap();
                assert_eq!(mode(), kept);
            }
        }
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(65534), Some(65534)).unwrap();
            WholeFile::create(&path).unwrap().persist().unwrap();
            let now = fs::metadata(&path).unwrap();
            assert_eq!((now.uid(), now.gid()), (65534, 65534));
        } else {
            println!("SKIPPED: a file of somebody else, since this is not root");
        }
    }

    #[test]
    fn a_pipe_is_written_to_and_stays_a_pipe() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        rustix::fs::mkfifoat(CWD, &path, Mode::from_raw_mode(MODE)).unwrap();
        assert!(WholeFile::create(&path).is_err(), "nobody reads");
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(OFlags::NONBLOCK.bits() as i32);
        let mut reader = options.open(&path).unwrap();
        let file = WholeFile::create(&path).unwrap();
        file.as_file().write_all(b"word").unwrap();
        file.persist().unwrap();
        let mut read = String::new();
        reader.read_to_string(&mut read).unwrap();
        assert_eq!(read, "word");
        assert!(fs::metadata(&path).unwrap().file_type().is_fifo());
    }

    #[test]
    fn where_no_file_can_be_it_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let error = WholeFile::create(folder.path()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
        let error = WholeFile::create(&folder.path().join("no folder/file")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
