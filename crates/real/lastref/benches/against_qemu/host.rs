//! The machine and the versions that figures come from.

use std::fs;
use std::process::Command;
use std::thread;

use super::Outcome;
use super::lastref;
use super::qemu::Binary;
use super::results::Host;

pub(crate) fn find(binary: &Binary) -> Outcome<Host> {
    let info = fs::read_to_string("/proc/cpuinfo")?;
    let cpu = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("of unknown model", |(_, model)| model.trim());
    let mut lastref = lastref::version()?;
    if let Ok(commit) = output("git", &["rev-parse", "--short=10", "HEAD"]) {
        lastref += &format!(" ({commit})");
    }
    Ok(Host {
        cpu: cpu.to_owned(),
        cores: thread::available_parallelism()?.get(),
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
        lastref,
        qemu: binary.version.clone(),
        rustc: output("rustc", &["--version"])?,
    })
}

fn output(program: &str, arguments: &[&str]) -> Outcome<String> {
    let output = Command::new(program).args(arguments).output()?;
    if !output.status.success() {
        return Err(format!("{program} failed").into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
