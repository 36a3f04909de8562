//! Cargo and the compiler that a person would use here.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The programs.
#[derive(Debug, Clone)]
pub(crate) struct Tools {
    pub(crate) cargo: OsString,
    pub(crate) rustc: PathBuf,
    pub(crate) rustdoc: PathBuf,
    /// As `rustc 1.95.0`.
    pub(crate) version: String,
}

impl Tools {
    /// Finds them as cargo does: by `RUSTC` and `RUSTDOC`, or on the path.
    pub(crate) fn find() -> io::Result<Self> {
        let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let ask = |question: &[&str]| -> io::Result<String> {
            let output = Command::new(&rustc).args(question).output()?;
            if !output.status.success() {
                return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
            }
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        let said = ask(&["--version"])?;
        let version = said.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        // rustup's stand-ins would choose the toolchain anew for each program.
        let bin = Path::new(&ask(&["--print", "sysroot"])?).join("bin");
        let tool = |variable: &str, name: &str| {
            let itself = bin.join(format!("{name}{}", env::consts::EXE_SUFFIX));
            let or_on_path = || if itself.is_file() { itself.clone() } else { name.into() };
            env::var_os(variable).map_or_else(or_on_path, PathBuf::from)
        };
        let (rustc, rustdoc) = (tool("RUSTC", "rustc"), tool("RUSTDOC", "rustdoc"));
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Ok(Tools { cargo, rustc, rustdoc, version })
    }
}
