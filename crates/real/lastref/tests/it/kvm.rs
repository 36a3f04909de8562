//! The main job with a guest that KVM runs: it moves between two processes, or stays where it is.

use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use test_support::program::{Finished, Program, with_default_signals};
use test_support::site::Site;

use crate::support::demo::{Demo, runs};
use crate::support::lastref::{assert_reported, json, signal};

/// Returns whether the program can use KVM. A test without it says that it was skipped, or fails
/// with `LASTREF_REQUIRE_KVM=1`.
#[track_caller]
fn kvm() -> bool {
    let usable = std::fs::File::options().read(true).write(true).open("/dev/kvm");
    if let Err(error) = &usable {
        let required = std::env::var_os("LASTREF_REQUIRE_KVM").is_some_and(|set| set == "1");
        assert!(!required, "/dev/kvm: {error}");
        println!("SKIPPED: /dev/kvm: {error}");
    }
    usable.is_ok()
}

const KVM: [&str; 3] = ["--json", "--machine", "kvm"];

#[track_caller]
fn assert_verified(finished: &Finished) -> Value {
    finished.assert_exit(0);
    let report = json(finished);
    assert_eq!(report["status"], "completed", "status of {finished}");
    assert_eq!(report["verified"], true, "verified of {finished}");
    report
}

/// The machine stays, the program says so, and nothing of it is wrong.
#[track_caller]
fn assert_runs_on(finished: &Finished, status: &str) {
    finished.assert_exit(1);
    assert_eq!(json(finished)["status"], status, "{finished}");
    let intact = finished.stderr.contains("the machine is running at the source: ")
        && finished.stderr.contains("memory intact");
    assert!(intact, "a machine that is intact in {finished}");
}

#[test]
fn every_dirty_log_moves_one_vcpu_and_two() {
    if !kvm() {
        return;
    }
    for log in ["kvm-bitmap", "kvm-ring", "write-protect"] {
        for vcpus in ["1", "2"] {
            let arguments = ["--dirty-log", log, "--vcpus", vcpus];
            let finished = Demo::start(&[&KVM[..], &arguments].concat()).finish();
            let report = assert_verified(&finished);
            println!("{report}");
            assert_eq!(report["dirty-log"], log, "{finished}");
            let plural = if vcpus == "1" { "" } else { "s" };
            assert_eq!(report["machine"], format!("kvm, {vcpus} vCPU{plural}"), "{finished}");
        }
    }
}

#[test]
fn it_moves_by_each_transport_with_any_number_of_vcpus_and_odd_sizes() {
    if !kvm() {
        return;
    }
    for arguments in [
        &["--vcpus", "8", "--channels", "2"][..],
        &["--vcpus", "3", "--memory", "4116K", "--dirty-rate", "0"],
        &["--memory", "4K", "--transport", "tcp"],
        &["--memory", "33558528", "--dirty-rate", "1T", "--downtime-limit", "2000"],
    ] {
        assert_verified(&Demo::start(&[&KVM[..], arguments].concat()).finish());
    }
}

#[test]
fn a_destination_that_is_killed_leaves_the_guest_running_at_the_source() {
    if !kvm() {
        return;
    }
    let demo = Demo::start_and_wait(&["--machine", "kvm"]);
    let destination = Pid::from_raw(demo.destination().cast_signed()).expect("a process");
    kill_process(destination, Signal::KILL).expect("a process that runs");
    assert_runs_on(&demo.finish(), "failed");
}

#[test]
fn a_signal_cancels_and_the_guest_runs_on_at_the_source() {
    if !kvm() {
        return;
    }
    let demo = Demo::start_and_wait(&["--machine", "kvm", "--vcpus", "2"]);
    let destination = demo.destination();
    signal(&demo.program, Signal::INT);
    let finished = demo.finish();
    assert_runs_on(&finished, "cancelled");
    assert_reported(&finished, "cancelled");
    assert!(!runs(destination), "the destination is gone");
}

#[test]
fn a_log_that_the_machine_cannot_have_is_wrong_usage() {
    for (arguments, words) in [
        (&["--dirty-log", "kvm-ring"][..], "needs --machine kvm"),
        (&["--vcpus", "2"][..], "is for --machine kvm"),
        (&["--machine", "kvm", "--dirty-log", "software"], "no software log"),
    ] {
        let finished = Demo::start(arguments).finish();
        finished.assert_exit(2);
        assert!(finished.stderr.contains(words), "{words:?} in {finished}");
    }
}

/// Runs `demo --machine kvm` where `/dev/kvm` is something else.
fn without_kvm(logs: &Path, require: bool) -> Finished {
    let mut command = with_default_signals();
    let script = "[ ! -e /dev/kvm ] || mount --bind /dev/null /dev/kvm || { echo no namespace >&2; exit 77; }; exec \"$@\"";
    let binary = env!("CARGO_BIN_EXE_lastref");
    command.args(["unshare", "--mount", "sh", "-c", script, "sh", binary, "demo"]);
    command.args(["--machine", "kvm", "--memory", "16M", "--json", "--dirty-log", "kvm-ring"]);
    command.env("LASTREF_REQUIRE_KVM", if require { "1" } else { "0" });
    Program::start("demo", command, logs).finish()
}

#[test]
fn without_kvm_the_machine_is_the_other_one_and_the_program_says_so() {
    let site = Site::new(0);
    let finished = without_kvm(site.scratch(), false);
    if finished.stderr.contains("unshare") || finished.stderr.contains("no namespace") {
        println!("SKIPPED: no mount namespace: {finished}");
        return;
    }
    assert_eq!(assert_verified(&finished)["machine"], "thread", "{finished}");
    let sentence = "the machine is one of threads: cannot use /dev/kvm";
    assert!(finished.stderr.contains(sentence), "{finished}");

    let required = without_kvm(site.scratch(), true);
    required.assert_exit(1);
    assert!(required.stderr.contains("cannot use /dev/kvm"), "{required}");
}

#[test]
fn too_few_descriptors_end_in_an_error_and_not_in_a_panic_or_a_wait() {
    if !kvm() {
        return;
    }
    let site = Site::new(0);
    let mut moved = 0;
    for descriptors in (4..40).step_by(3) {
        let mut command = with_default_signals();
        let script = format!("ulimit -n {descriptors} && exec \"$@\"");
        let binary = env!("CARGO_BIN_EXE_lastref");
        command.args(["sh", "-c", &script, "sh", binary, "demo", "--memory", "4M", "--vcpus", "2"]);
        command.args(["--machine", "kvm", "--json"]).env("LASTREF_REQUIRE_KVM", "1");
        let finished = Program::start("demo", command, site.scratch()).finish();
        assert!(!finished.stderr.contains("panicked"), "{finished}");
        if finished.stdout.contains("\"verified\":true") {
            finished.assert_exit(0);
            moved += 1;
        } else if !finished.stderr.contains("error while loading shared libraries") {
            finished.assert_exit(1);
        }
    }
    assert!(moved > 0, "some number is enough");
}
