//! The main job: a running machine moves between two processes, or stays where it is.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use test_support::program::Finished;
use test_support::wait;

use crate::support::demo::{Demo, MEMORY, runs};
use crate::support::lastref::{assert_failed, assert_reported, json, signal};

#[track_caller]
fn assert_verified(finished: &Finished) -> Value {
    finished.assert_exit(0);
    let report = json(finished);
    assert_eq!(report["status"], "completed", "status of {finished}");
    assert_eq!(report["verified"], true, "verified of {finished}");
    assert_eq!(report["error-desc"], Value::Null, "error of {finished}");
    assert_eq!(report["ram"]["total"], MEMORY, "memory of {finished}");
    assert!(report["object"]["source"]["last-dropped-by"].is_string(), "{report}");
    assert!(report["object"]["destination"]["last-dropped-by"].is_string(), "{report}");
    report
}

/// The machine stays, the program says so, and nothing but the cause is wrong.
#[track_caller]
fn assert_runs_on(finished: &Finished, status: &str, cause: &str) {
    assert_failed(finished, &[cause]);
    assert_reported(finished, status);
    assert_eq!(json(finished)["verified"], Value::Null, "verified of {finished}");
    assert!(
        finished.stderr.contains("the machine is running at the source"),
        "a machine that runs on expected from {finished}"
    );
    assert!(finished.stderr.contains("memory intact"), "from {finished}");
}

#[test]
fn a_machine_that_writes_moves_whole_over_each_transport_and_at_each_rate() {
    let cases: [&[&str]; 7] = [
        &["--dirty-log", "auto"],
        &["--dirty-log", "software", "--dirty-rate", "32M", "--max-bandwidth", "128M"],
        &["--transport", "unix"],
        &["--transport", "tcp"],
        &["--dirty-rate", "0"],
        &["--dirty-rate", "16M", "--max-bandwidth", "128M"],
        &["--downtime-limit", "1000"],
    ];
    for arguments in cases {
        let finished = Demo::start(&[&["--json"], arguments].concat()).finish();
        let report = assert_verified(&finished);
        println!("{arguments:?}: {report}");
        assert!(report["ram"]["dirty-sync-count"].as_u64() >= Some(1), "{report}");
        let log = report["dirty-log"].as_str().unwrap_or_default();
        let asked = arguments.contains(&"software");
        assert!(log == "software" || !asked && log == "write-protect", "{log} in {report}");
        let said = finished.stderr.lines().any(|line| line.contains(&format!("dirty log: {log}")));
        assert!(said, "the dirty log in {finished}");
    }
}

#[test]
fn a_dirty_log_that_must_be_the_kernels_is_or_the_demo_says_why_not() {
    let finished = Demo::start(&["--json", "--dirty-log", "write-protect"]).finish();
    if finished.stderr.contains("the kernel's tracking of writes") {
        println!("SKIPPED: the kernel does not track writes: {finished}");
        finished.assert_exit(1);
    } else {
        assert_eq!(assert_verified(&finished)["dirty-log"], "write-protect", "{finished}");
    }
}

#[test]
fn people_read_the_result_on_standard_error() {
    let finished = Demo::start(&[]).finish();
    finished.assert_exit(0);
    assert_eq!(finished.stdout, "", "nothing there from {finished}");
    let row = |name: &str| {
        finished.stderr.lines().find_map(|line| line.trim_start().strip_prefix(name)).map(str::trim)
    };
    assert_eq!(row("status  "), Some("completed"), "in {finished}");
    assert!(row("verified  ").is_some_and(|text| text.starts_with("every page")), "{finished}");
    for name in ["passes  ", "dirty log  ", "total time  ", "downtime  ", "throughput  "] {
        assert!(row(name).is_some(), "{name:?} expected in {finished}");
    }
    for name in ["source  ", "destination  "] {
        let life = row(name).unwrap_or_default();
        assert!(
            life.contains("counted references: at most 2, the last dropped by "),
            "{name} in {finished}"
        );
    }
}

#[test]
fn v_shows_the_statuses_and_phases_of_both_processes_and_twice_each_pass() {
    let phases = ["connect", "activate", "iterate", "switch_over", "complete"];
    let arrival = ["wait", "load", "confirm"];
    for (option, passes) in [("-v", false), ("-vv", true)] {
        let finished = Demo::start(&["--json", option]).finish();
        let report = assert_verified(&finished);
        let shown = |level: &str, what: &str| {
            let has = |line: &str| line.contains(&format!(" {level} ")) && line.contains(what);
            finished.stderr.lines().filter(|line| has(line)).count()
        };
        for phase in phases.iter().chain(&arrival) {
            assert_eq!(shown("INFO", &format!("{phase}: close")), 1, "{phase} in {finished}");
        }
        for end in ["direction=Outgoing before=device status=completed", "direction=Incoming"] {
            assert!(shown("INFO", end) >= 1, "{end} in {finished}");
        }
        let made = report["ram"]["dirty-sync-count"].as_u64().expect("a count") as usize;
        let expected = if passes { made } else { 0 };
        assert_eq!(shown("DEBUG", ": pass number="), expected, "passes in {finished}");
    }
    let quiet = Demo::start(&["--json"]).finish();
    assert!(!quiet.stderr.contains("INFO"), "{quiet}");
}

#[test]
fn a_destination_that_is_killed_leaves_the_machine_running_at_the_source() {
    for transport in ["unix", "tcp"] {
        let demo = Demo::start_and_wait(&["--transport", transport]);
        let destination = Pid::from_raw(demo.destination().cast_signed()).expect("a process");
        kill_process(destination, Signal::KILL).expect("a process that runs");
        let finished = demo.finish();
        assert_runs_on(&finished, "failed", "signal: 9");
        assert_failed(&finished, &["the peer took", "closed the connection"]);
    }
}

#[test]
fn a_signal_cancels_and_the_machine_runs_on_at_the_source() {
    for interrupt in [Signal::INT, Signal::TERM] {
        let demo = Demo::start_and_wait(&[]);
        let destination = demo.destination();
        signal(&demo.program, interrupt);
        let finished = demo.finish();
        assert_runs_on(&finished, "cancelled", "cancelled");
        assert!(!runs(destination), "the destination is gone");
    }
}

#[test]
fn a_source_that_is_killed_takes_its_destination_with_it() {
    let mut demo = Demo::start_and_wait(&[]);
    let destination = demo.destination();
    demo.program.kill();
    wait::until(
        &mut demo,
        |_| (!runs(destination)).then_some(()),
        |_| format!("the end of process {destination}"),
    );
}

#[test]
fn a_destination_that_is_told_to_stop_says_so_and_the_machine_runs_on() {
    let demo = Demo::start_and_wait(&[]);
    let destination = Pid::from_raw(demo.destination().cast_signed()).expect("a process");
    kill_process(destination, Signal::TERM).expect("a process that runs");
    let finished = demo.finish();
    finished.assert_exit(1);
    assert_ne!(json(&finished)["status"], "completed", "{finished}");
    assert!(finished.stderr.contains("the machine is running at the source"), "{finished}");
}

#[test]
fn a_destination_that_was_stopped_keeps_no_demo_from_ending() {
    for before in ["active", "the machine writes"] {
        let mut demo = Demo::start(&["--max-bandwidth", "16M", "--memory", "256M"]);
        wait::until(
            &mut demo.program,
            |program| program.stderr().contains(before).then_some(()),
            |program| format!("{before:?} from {}", program.report()),
        );
        let stop = |pid: u32, signal| {
            let pid = rustix::process::Pid::from_raw(pid.cast_signed()).expect("a process id");
            rustix::process::kill_process(pid, signal).expect("a process that runs");
        };
        stop(demo.destination(), Signal::STOP);
        stop(demo.program.id(), Signal::TERM);
        demo.finish().assert_exit(1);
    }
}

#[test]
fn a_signal_while_the_demo_fills_memory_leaves_no_folder() {
    let mut demo = Demo::start(&["--memory", "1G"]);
    wait::until(
        &mut demo.program,
        |program| program.stderr().contains("filling").then_some(()),
        |program| program.report(),
    );
    signal(&demo.program, Signal::INT);
    demo.finish().assert_exit(1);
}

#[test]
fn a_demo_that_is_killed_leaves_nothing_and_a_long_name_of_the_temporary_folder_is_no_obstacle() {
    let demo = Demo::start_and_wait(&[]);
    let destination = demo.destination();
    signal(&demo.program, Signal::KILL);
    demo.finish();
    wait::until(
        &mut (),
        |()| (!runs(destination)).then_some(()),
        |()| format!("the end of process {destination}"),
    );

    assert_verified(&Demo::start_in(&"x".repeat(200), &["--json"]).finish());
}
