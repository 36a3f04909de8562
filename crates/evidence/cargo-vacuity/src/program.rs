//! A program that must not compile, and the compiler's answer to it.

use std::env;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use cargo_metadata::diagnostic::Diagnostic;
use serde::{Deserialize, Serialize};

use cargo_vacuity::diagnostic;

/// How long the compiler may take over one program.
const PATIENCE: Duration = Duration::from_secs(120);
/// What a program without a file of its own is called.
const FILE: &str = "program.rs";
/// The most that is read of what the compiler says of one.
const LONGEST: u64 = 8 << 20;

/// Who would build the program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Runner {
    /// rustdoc.
    Doctest {
        /// The file that rustdoc names.
        path: PathBuf,
        /// The line that it counts the program's lines from.
        line: usize,
    },
    /// trybuild, `ui_test` or compiletest, with the program's file.
    File(PathBuf),
}

/// A program, and how its runner has it compiled.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Program {
    pub(crate) runner: Runner,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    folder: PathBuf,
    pub(crate) text: String,
}

/// What the compiler says of a program.
#[derive(Debug)]
pub(crate) enum Answer {
    Compiles,
    Fails(Vec<Diagnostic>),
    /// It did not end in time, or ended without an error that it names.
    Unknown(String),
}

impl Program {
    /// A program that this process was called to build.
    pub(crate) fn new(runner: Runner, arguments: Vec<String>, text: String) -> io::Result<Self> {
        let environment = env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| {
                !name.starts_with("CARGO_VACUITY_")
                    && !name.starts_with("UNSTABLE_RUSTDOC")
                    && name != "RUSTC_BOOTSTRAP"
            })
            .collect();
        Ok(Program { runner, arguments, environment, folder: env::current_dir()?, text })
    }

    /// A variable of the environment it is built in.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.environment.iter().find(|(is, _)| is == name).map(|(_, value)| value.as_str())
    }

    /// Where a file that the runner names is.
    pub(crate) fn resolved(&self, file: &Path) -> PathBuf {
        self.folder.join(file)
    }

    /// Its file, unless it stands in documentation.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        match &self.runner {
            Runner::File(file) => Some(self.resolved(file)),
            Runner::Doctest { .. } => None,
        }
    }

    /// Whether the compiler means the program by `file`, and not a library.
    pub(crate) fn is_in(&self, file: &str) -> bool {
        let file = Path::new(file);
        file.ends_with(FILE) || matches!(&self.runner, Runner::File(own) if own == file)
    }

    /// The arguments that say what the program sees, not what becomes of it.
    fn seeing(&self) -> Vec<&String> {
        const OUTPUT: [&str; 7] =
            ["-o", "--out-dir", "--emit", "--error-format", "--json", "--color", "--crate-name"];
        const OUTPUT_CODEGEN: [&str; 3] = ["metadata=", "extra-filename=", "incremental="];
        let codegen = |text: &str| OUTPUT_CODEGEN.iter().any(|name| text.starts_with(name));
        let mut seeing = Vec::new();
        let mut arguments = self.arguments.iter().peekable();
        while let Some(argument) = arguments.next() {
            let name = argument.split('=').next().unwrap_or_default();
            let of_next = argument == "-C" && arguments.peek().is_some_and(|next| codegen(next));
            let with_value = OUTPUT.contains(&argument.as_str()) || of_next;
            let of_output = OUTPUT.contains(&name)
                || name == "--diagnostic-width"
                || argument.strip_prefix("-C").is_some_and(codegen);
            // What `--test-builder` needed, and the program itself.
            let of_runner = argument == "-Zunstable-options" || argument == "-";
            let program = argument.ends_with(".rs") && !argument.starts_with('-');
            if with_value {
                arguments.next();
            } else if !(of_output || of_runner || program) {
                seeing.push(argument);
            }
        }
        seeing
    }

    /// Whether its runner may want it to compile: a file without a snapshot of errors.
    pub(crate) fn may_compile(&self) -> bool {
        self.file().is_some_and(|file| !file.with_extension("stderr").is_file())
    }

    /// What has to be the same for programs to be modules of one: the libraries and the language.
    pub(crate) fn kin(&self) -> Vec<String> {
        let mut kin: Vec<String> = self.seeing().into_iter().cloned().collect();
        kin.push(self.folder.display().to_string());
        kin
    }

    /// Whether its runner makes code of it, and so sees what is found only then.
    fn is_built(&self) -> bool {
        let emits = |argument: &String| argument.contains("metadata") && argument.contains("emit");
        !self.arguments.iter().any(emits)
            && !self.arguments.windows(2).any(|two| two[0] == "--emit" && two[1] == "metadata")
    }

    /// Compiles the program as its runner does, but for where the output goes.
    ///
    /// `rustc` is the compiler, and `scratch` a folder of this call's own.
    pub(crate) fn compile(&self, rustc: &Path, scratch: &Path) -> io::Result<Answer> {
        self.compile_text(rustc, scratch, &self.text)
    }

    /// Compiles another text in the program's place.
    pub(crate) fn compile_text(
        &self,
        rustc: &Path,
        scratch: &Path,
        text: &str,
    ) -> io::Result<Answer> {
        let file = match &self.runner {
            Runner::File(file) if text == self.text => file.clone(),
            _ => {
                let file = scratch.join(FILE);
                fs::write(&file, text)?;
                file
            }
        };
        let answer = self.ask(rustc, scratch, &file, "metadata")?;
        match answer {
            // Some errors are found when code is made.
            Answer::Compiles if self.is_built() => self.ask(rustc, scratch, &file, "obj"),
            answer => Ok(answer),
        }
    }

    /// Compiles a file in the program's place to what is called `emit`.
    pub(crate) fn ask(
        &self,
        rustc: &Path,
        scratch: &Path,
        file: &Path,
        emit: &str,
    ) -> io::Result<Answer> {
        let mut command = Command::new(rustc);
        command.args(self.seeing()).args(["--error-format=json", "--crate-name=program"]);
        command.arg(format!("--emit={emit}")).arg("--out-dir").arg(scratch).arg(file);
        command.env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(value) = env::var_os("RUSTC_BOOTSTRAP") {
            command.env("RUSTC_BOOTSTRAP", value);
        }
        command.current_dir(&self.folder).stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn()?;
        let (sender, said) = mpsc::channel();
        let Some(stderr) = child.stderr.take() else { return Ok(Answer::Unknown(String::new())) };
        thread::spawn(move || {
            let mut words = Vec::new();
            let read = stderr.take(LONGEST).read_to_end(&mut words);
            drop(sender.send(read.map(|_| words)));
        });
        let Ok(words) = said.recv_timeout(PATIENCE) else {
            child.kill()?;
            child.wait()?;
            let what = format!("the compiler takes more than {} s", PATIENCE.as_secs());
            return Ok(Answer::Unknown(what));
        };
        let status = child.wait()?;
        if status.success() {
            return Ok(Answer::Compiles);
        }
        let words = words?;
        let words = String::from_utf8_lossy(&words);
        let diagnostics = diagnostic::read(&words);
        if diagnostic::errors(&diagnostics).next().is_none() {
            return Ok(Answer::Unknown(format!("{status}: {}", words.trim())));
        }
        Ok(Answer::Fails(diagnostics))
    }
}
