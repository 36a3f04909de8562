//! A run of `lastref demo`, and the two processes of it.

use std::fs;
use std::path::PathBuf;

use test_support::program::{Finished, Program};
use test_support::site::Site;
use test_support::wait;

use crate::support::lastref::lastref;

pub(crate) const MEMORY: u64 = 64 << 20;

/// A run of `lastref demo` with a folder of its own for temporary files.
pub(crate) struct Demo {
    pub(crate) program: Program,
    folder: PathBuf,
    _site: Site,
}

impl Demo {
    pub(crate) fn start(arguments: &[&str]) -> Demo {
        Demo::start_in("temporary", arguments)
    }

    /// The same with a name for the folder.
    pub(crate) fn start_in(name: &str, arguments: &[&str]) -> Demo {
        let site = Site::new(0);
        let folder = site.scratch().join(name);
        fs::create_dir(&folder).expect("a folder");
        let memory: &[&str] =
            if arguments.contains(&"--memory") { &[] } else { &["--memory", "64M"] };
        let mut command = lastref(["demo"], None);
        command.args(memory).args(arguments).env("TMPDIR", &folder);
        Demo { program: Program::start("demo", command, site.scratch()), folder, _site: site }
    }

    /// Slowly, until memory is on its way.
    pub(crate) fn start_and_wait(arguments: &[&str]) -> Demo {
        let arguments = [&["--max-bandwidth", "16M", "--json"], arguments].concat();
        let mut demo = Demo::start(&arguments);
        wait::until(
            &mut demo.program,
            |program| {
                assert!(program.ended().is_none(), "it takes seconds: {}", program.report());
                program.stderr().lines().any(|line| line.contains("active")).then_some(())
            },
            |program| format!("memory on its way in {}", program.report()),
        );
        demo
    }

    /// The process of the destination.
    #[track_caller]
    pub(crate) fn destination(&self) -> u32 {
        let children = children(self.program.id());
        assert_eq!(children.len(), 1, "one destination: {children:?}");
        children[0]
    }

    /// Waits for its end; nothing of it is left then.
    #[track_caller]
    pub(crate) fn finish(self) -> Finished {
        let finished = self.program.finish();
        let left: Vec<_> = fs::read_dir(&self.folder).expect("the folder").collect();
        assert!(left.is_empty(), "{left:?} left by {finished}");
        finished
    }
}

/// State and parent of a process.
fn stat(pid: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in parentheses and may hold anything; state and parent follow.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// A process that has ended and was not reaped does not run.
pub(crate) fn runs(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != 'Z' && state != 'X')
}

fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("a list of processes").flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| stat(*pid).is_some_and(|(_, its_parent)| its_parent == parent))
        .collect()
}
