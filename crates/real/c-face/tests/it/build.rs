//! Builds the C program in `tests/c` against the library, for both owners of the lock.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::tool::compiler;

/// Who owns the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// This workspace, and C is given functions for it.
    Rust,
    /// The C program, and the library has the feature `c-lock`.
    C,
}

/// How the library goes into the program.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Linked {
    Static,
    Shared,
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
}

/// Where the libraries are.
fn libraries(owner: Owner) -> PathBuf {
    static OF_C: OnceLock<PathBuf> = OnceLock::new();
    match owner {
        // Cargo built them for this test, beside it.
        Owner::Rust => {
            let test = env::current_exe().expect("a test is a program");
            test.parent().expect("in a folder").to_owned()
        }
        // Another choice of features is another build.
        Owner::C => OF_C
            .get_or_init(|| {
                let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("c-lock");
                run(Command::new(env!("CARGO"))
                    // With a target it would be another folder.
                    .env_remove("CARGO_BUILD_TARGET")
                    .args(["build", "--locked", "--offline", "--lib"])
                    .args(["--features", "c-lock", "--manifest-path"])
                    .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
                    .arg("--target-dir")
                    .arg(&target));
                target.join("debug")
            })
            .clone(),
    }
}

/// Builds the program into `folder`; `None` if there is no compiler.
pub(crate) fn program(owner: Owner, linked: Linked, folder: &Path) -> Option<PathBuf> {
    let compiler = compiler()?;
    let libraries = libraries(owner);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = folder.join("program");
    let mut cc = Command::new(compiler);
    cc.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-g", "-pthread", "-o"]).arg(&program);
    // Such as -fsanitize=address.
    cc.args(env::var("CFLAGS").unwrap_or_default().split_whitespace());
    cc.arg("-I").arg(here.join("include"));
    for source in ["main.c", "life.c", "several_threads.c", "peer_goes.c", "late.c", "misuse.c"] {
        cc.arg(here.join("tests/c").join(source));
    }
    if owner == Owner::C {
        cc.arg("-DLASTREF_C_LOCK").arg(here.join("tests/c/c_lock.c"));
    }
    match linked {
        Linked::Static => {
            // What `rustc --print native-static-libs` asks for.
            let system = ["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl"];
            cc.arg(libraries.join("liblastref_c.a")).args(system);
        }
        Linked::Shared => {
            let place = libraries.display();
            cc.arg(libraries.join("liblastref_c.so")).arg(format!("-Wl,-rpath,{place}"));
            // The library finds the program's lock functions.
            cc.arg("-rdynamic");
        }
    }
    run(&mut cc);
    Some(program)
}
