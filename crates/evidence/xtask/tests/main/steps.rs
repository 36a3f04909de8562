//! The steps of the worked example (`docs/adopt-rust.md`) in a project of somebody else: packages
//! outside of the workspace that depend on the two lock crates alone.
//!
//! The head of each step says what it prints. A comment `// E0000: …` in a step is what must not
//! stand in place of the line below it, and the code that the compiler then gives.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use xtask::workspace::root;
use xtask::{STEPS, source};

type Outcome = Result<(), Box<dyn Error>>;

#[test]
fn each_step_builds_on_the_lock_crates_alone_and_prints_what_it_says() -> Outcome {
    let project = Project::new()?;
    for step in 1..=STEPS {
        let text = fs::read_to_string(source(step))?;
        let run = project.cargo("run", &format!("step-{step}"), &text)?;
        assert!(run.status.success(), "step {step}: {}", String::from_utf8_lossy(&run.stderr));
        assert_eq!(String::from_utf8(run.stdout)?, said(&text), "step {step}");
    }
    Ok(())
}

#[test]
fn all_steps_print_the_same_but_the_first_which_shows_its_fault() -> Outcome {
    let said = (1..=STEPS)
        .map(|step| Ok(said(&fs::read_to_string(source(step))?)))
        .collect::<Result<Vec<_>, std::io::Error>>()?;
    for (index, later) in said.iter().enumerate().skip(1) {
        assert_eq!(*later, said[1], "step {}", index + 1);
    }
    assert!(is_faulty(&said[0]) && !is_faulty(&said[1]));
    Ok(())
}

#[test]
fn what_a_step_rules_out_does_not_compile_there() -> Outcome {
    let project = Project::new()?;
    for step in 2..=STEPS {
        let text = fs::read_to_string(source(step))?;
        let slips = slips(&text);
        assert!(!slips.is_empty(), "step {step} rules nothing out");
        for Slip { line, code, instead_of, written } in slips {
            let slipped = text.replacen(&instead_of, &written, 1);
            let check = project.cargo("check", &format!("step-{step}-line-{line}"), &slipped)?;
            let words = String::from_utf8_lossy(&check.stderr);
            let mut codes: Vec<_> = words.split("error[").skip(1).map(|rest| &rest[..5]).collect();
            codes.dedup();
            assert_eq!(codes, [code], "step {step}, line {line}: {words}");
            let at = format!("--> src/main.rs:{}:", line + 1);
            assert!(words.contains(&at), "step {step}: the error is not in {at} {words}");
        }
    }
    Ok(())
}

/// The static of step 6 has a name, and with it the fault of step 1 could be written again.
#[test]
fn until_the_last_step_the_fault_of_the_first_can_come_back() -> Outcome {
    let last = fs::read_to_string(source(STEPS))?;
    let before = fs::read_to_string(source(STEPS - 1))?;
    let slip = slips(&last).into_iter().find(|slip| slip.code == "E0603").ok_or("no such line")?;
    assert!(before.contains(&slip.instead_of), "{} is not there yet", slip.instead_of);
    let relapse = before.replace(&slip.instead_of, &slip.written);
    let run = Project::new()?.cargo("run", "relapse", &relapse)?;
    let printed = String::from_utf8(run.stdout)?;
    assert!(is_faulty(&printed), "{printed}{}", String::from_utf8_lossy(&run.stderr));
    Ok(())
}

/// Whether a reading of monday is in tuesday's recording.
fn is_faulty(printed: &str) -> bool {
    printed.contains("tuesday ends with [\"10:00 of monday\"]")
}

/// What a step says in its head that it prints.
fn said(text: &str) -> String {
    let head = text.lines().map_while(|line| line.strip_prefix("//!"));
    let lines = head.skip_while(|line| *line != " ```text").skip(1);
    lines.take_while(|line| *line != " ```").map(|line| format!("{}\n", line.trim())).collect()
}

/// A line as it must not be.
struct Slip {
    /// Of the comment, from 1.
    line: usize,
    code: String,
    /// The line below the comment.
    instead_of: String,
    /// What the comment has.
    written: String,
}

fn slips(text: &str) -> Vec<Slip> {
    let lines = text.lines().zip(text.lines().skip(1)).enumerate();
    lines
        .filter_map(|(at, (comment, below))| {
            let (code, written) = comment.trim().strip_prefix("// ")?.split_once(": ")?;
            let is_code = code.len() == 5 && code[1..].bytes().all(|byte| byte.is_ascii_digit());
            is_code.then(|| Slip {
                line: at + 1,
                code: code.to_owned(),
                // With the line break before it, so that it is a whole line.
                instead_of: format!("\n{below}\n"),
                written: format!("\n{written}\n"),
            })
        })
        .collect()
}

/// Packages in a folder outside of the workspace, with one target folder.
struct Project {
    folder: tempfile::TempDir,
}

impl Project {
    fn new() -> Result<Self, Box<dyn Error>> {
        Ok(Project { folder: tempfile::tempdir()? })
    }

    /// Runs `cargo COMMAND` on a package `name` whose `main.rs` is `text`.
    fn cargo(&self, command: &str, name: &str, text: &str) -> Result<Output, Box<dyn Error>> {
        let package = self.folder.path().join(name);
        fs::create_dir_all(package.join("src"))?;
        fs::write(package.join("src/main.rs"), text)?;
        fs::write(package.join("Cargo.toml"), manifest(name))?;
        Ok(Command::new(env!("CARGO"))
            .args([command, "--offline", "--quiet", "--target-dir"])
            .arg(self.target())
            .current_dir(package)
            .output()?)
    }

    fn target(&self) -> PathBuf {
        self.folder.path().join("target")
    }
}

fn manifest(name: &str) -> String {
    let path = |room: &str| Path::new("crates/core").join(room);
    let dependency = |room: &str| {
        let path = root().join(path(room));
        format!("{room} = {{ package = \"lastref-{room}\", path = {path:?} }}\n")
    };
    format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n{}{}",
        dependency("biglock"),
        dependency("exported"),
    )
}
