//! A suite as its file `suite.toml` describes it, and the files it consists of.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::{Case, Complaint};

/// A suite. Paths are as written in its file, seen from the file's folder.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// Where the file is.
    #[serde(skip)]
    base: PathBuf,
    /// The `rust-toolchain.toml` that pins the compiler.
    toolchain: PathBuf,
    /// The folder of the claims.
    claims: PathBuf,
    /// The folder of the weakenings.
    weakenings: PathBuf,
    /// Folders with tests that show claims at run time.
    tests: Vec<PathBuf>,
    /// The workspace that the libraries and the suite are part of.
    workspace: PathBuf,
    /// What of the workspace has to be copied so that libraries and cases compile.
    pub(crate) scratch: Vec<PathBuf>,
    rooms: Vec<RoomEntry>,
    /// Cases whose snapshot may quote the standard library, each with the reason.
    #[serde(default)]
    quotes_std: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoomEntry {
    folder: PathBuf,
    at_least: usize,
}

/// A package whose dependencies are what its cases can see.
#[derive(Debug, Clone)]
pub struct Room {
    /// The package's folder, with `fail/` and `pass/`.
    pub folder: PathBuf,
    /// How many cases there are at least.
    pub at_least: usize,
}

impl Suite {
    /// The suite that the package with the folder `manifest_dir` is part of: its file
    /// `suite.toml` stands next to the package.
    ///
    /// # Panics
    ///
    /// If the file cannot be read; the message says what is wrong.
    pub fn of_package(manifest_dir: impl AsRef<Path>) -> Self {
        let base = manifest_dir.as_ref().parent().unwrap_or(Path::new(""));
        Self::open(&base.join("suite.toml"))
    }

    /// The suite that `file` describes.
    ///
    /// # Panics
    ///
    /// If the file cannot be read; the message says what is wrong.
    pub fn open(file: &Path) -> Self {
        let suite: Result<Suite, _> = toml::from_str(&read(file));
        let suite = suite.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        Suite { base: file.parent().unwrap_or(Path::new("")).to_owned(), ..suite }
    }

    /// The rooms, in the order of the file.
    pub fn rooms(&self) -> Vec<Room> {
        let room = |entry: &RoomEntry| Room {
            folder: self.base.join(&entry.folder),
            at_least: entry.at_least,
        };
        self.rooms.iter().map(room).collect()
    }

    /// Leaves every room out but one.
    pub fn keep_room(&mut self, folder: &Path) {
        self.rooms.retain(|room| room.folder == folder);
    }

    /// The room whose package has the folder `manifest_dir`.
    ///
    /// # Panics
    ///
    /// If the suite does not list it.
    pub fn room(&self, manifest_dir: impl AsRef<Path>) -> Room {
        let folder = manifest_dir.as_ref();
        let listed = self.rooms().into_iter().find(|room| room.folder == folder);
        listed.unwrap_or_else(|| panic!("list {} as a room in suite.toml", folder.display()))
    }

    /// The file that pins the compiler.
    pub fn toolchain(&self) -> PathBuf {
        self.base.join(&self.toolchain)
    }

    /// The folder of the claims.
    pub fn claims(&self) -> PathBuf {
        self.base.join(&self.claims)
    }

    /// The folder of the weakenings.
    pub fn weakenings(&self) -> PathBuf {
        self.base.join(&self.weakenings)
    }

    /// The workspace's folder.
    pub fn workspace(&self) -> PathBuf {
        self.base.join(&self.workspace)
    }

    /// The folders with tests that show claims at run time.
    pub fn tests(&self) -> Vec<PathBuf> {
        self.tests.iter().map(|folder| self.base.join(folder)).collect()
    }

    /// The same suite in a copy of its workspace.
    pub(crate) fn in_copy(&self, workspace: &Path) -> io::Result<Suite> {
        let original = self.workspace().canonicalize()?;
        let base = self.base.canonicalize()?;
        let inside = base.strip_prefix(original).map_err(io::Error::other)?;
        Ok(Suite { base: workspace.join(inside), ..self.clone() })
    }

    /// The cases that may quote the standard library, each with the reason.
    pub fn quotes_std(&self) -> &BTreeMap<String, String> {
        &self.quotes_std
    }
}

impl Room {
    /// The cases that are well formed, and what is wrong with the others.
    pub fn cases(&self) -> (Vec<Case>, Vec<Complaint>) {
        let mut cases = Vec::new();
        let mut complaints = Vec::new();
        for file in files(&self.folder.join("fail"), "rs") {
            match Case::read(&file) {
                Ok(case) => cases.push(case),
                Err(wrong) => complaints.extend(wrong),
            }
        }
        (cases, complaints)
    }

    /// The twins.
    pub fn twins(&self) -> Vec<PathBuf> {
        files(&self.folder.join("pass"), "rs")
    }

    /// The package's manifest.
    pub fn manifest(&self) -> PathBuf {
        self.folder.join("Cargo.toml")
    }
}

/// The files in `folder` that end with `extension`, by name. A folder that does not exist
/// has none.
pub(crate) fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    let mut files: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|is| is == extension)).collect();
    files.sort();
    files
}

/// The text of a file that must be there.
pub(crate) fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The folders below `folder`, itself included, but no build output.
pub(crate) fn folders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = vec![folder.to_owned()];
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("target") {
            found.extend(folders(&path)?);
        }
    }
    Ok(found)
}
