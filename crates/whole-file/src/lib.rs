//! A file that is there whole or not at all.
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

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use tempfile::NamedTempFile;

/// Read and write for everybody whom the process's mask leaves it.
const MODE: u32 = 0o666;

/// A file on its way. It takes its name when it is complete; dropped before, it is gone, and what
/// had the name is as it was. (What is no plain file is written to at once, and keeps what it got.)
#[derive(Debug)]
pub struct WholeFile {
    path: PathBuf,
    file: Unfinished,
}

/// Where the bytes are until then.
#[derive(Debug)]
enum Unfinished {
    /// In a file without a name (`O_TMPFILE`): it ends with the process, however that ends.
    Nameless(File),
    /// In a file beside the one that is wanted. A process that is killed leaves it there.
    Named(NamedTempFile),
    /// At their place, which is no plain file: a device, a pipe.
    InPlace(File),
}

impl WholeFile {
    /// Sees that there can be a file at `path`, in place of what is there. A symbolic link that
    /// leads to a file stays; the file behind it is what is replaced. What is no plain file is
    /// written to at once.
    ///
    /// # Errors
    ///
    /// If there can be no such file, or `path` is a folder, or a pipe that nobody reads.
    pub fn create(path: &Path) -> io::Result<Self> {
        let path = match fs::metadata(path) {
            Ok(there) if there.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(there) if !there.is_file() => {
                let file = Unfinished::InPlace(open_in_place(path)?);
                return Ok(WholeFile { path: path.to_owned(), file });
            }
            Ok(_) => path.canonicalize()?,
            Err(_) => path.to_owned(),
        };
        // Whatever is in the way of the one, the other tells it, or does without.
        let file = match nameless(folder(&path)) {
            Some(file) => Unfinished::Nameless(file),
            None => Unfinished::Named(named(folder(&path))?),
        };
        Ok(WholeFile { path, file })
    }

    /// The file, to be read and written. What is no plain file can be written only.
    pub fn as_file(&self) -> &File {
        match &self.file {
            Unfinished::Nameless(file) | Unfinished::InPlace(file) => file,
            Unfinished::Named(file) => file.as_file(),
        }
    }

    /// It is complete, and takes its name. What had that name before is gone from here on, at one
    /// stroke.
    ///
    /// # Errors
    ///
    /// If it cannot take the name. It is lost then.
    pub fn persist(self) -> io::Result<()> {
        let WholeFile { path, file } = self;
        match file {
            Unfinished::InPlace(_) => Ok(()),
            Unfinished::Named(file) => Ok(file.persist(path).map(drop)?),
            Unfinished::Nameless(file) => {
                // There is no call that links a file in another's place. So it gets a name for
                // the moment, and changes it. Killed in between, a process leaves it whole there.
                let link = |name: &Path| {
                    let file = by_descriptor(&file);
                    Ok(rustix::fs::linkat(CWD, &file, CWD, name, AtFlags::SYMLINK_FOLLOW)?)
                };
                Ok(names().make_in(folder(&path), link)?.persist(path).map(drop)?)
            }
        }
    }
}

fn folder(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Names that nobody has.
fn names<'a>() -> tempfile::Builder<'a, 'a> {
    let mut names = tempfile::Builder::new();
    names.prefix(".lastref-");
    names
}

fn named(folder: &Path) -> io::Result<NamedTempFile> {
    names().permissions(Permissions::from_mode(MODE)).tempfile_in(folder)
}

/// A file that has no name and can get one, if there can be one in `folder`.
fn nameless(folder: &Path) -> Option<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(folder, flags, Mode::from_raw_mode(MODE)).ok()?);
    // Where `/proc` is not mounted it could not.
    by_descriptor(&file).exists().then_some(file)
}

fn by_descriptor(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// Opens what is no plain file, without waiting for somebody at the other end of a pipe.
fn open_in_place(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    let file = options.open(path)?;
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

    /// A file of each kind that is to be at `path`.
    fn kinds(path: &Path) -> [WholeFile; 2] {
        let nameless = nameless(folder(path)).expect("a file system that has files without a name");
        let named = named(folder(path)).unwrap();
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
    fn a_pipe_is_written_to_and_stays_a_pipe() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        rustix::fs::mkfifoat(CWD, &path, Mode::from_raw_mode(MODE)).unwrap();
        assert!(WholeFile::create(&path).is_err(), "nobody reads");
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
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
