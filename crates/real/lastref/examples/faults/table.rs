//! What was counted, as a table.

use std::collections::BTreeMap;
use std::time::Duration;

use super::outcome::{Outcome, Place};
use super::plan::{EndKind, Kind, Plan, Which};

const LEGEND: &str = "
unsure: of those at the destination, the source stands there stopped, since it cannot know
both (QEMU's): a QEMU at the source lets its machine go on after EOF, as its protocol allows; -M
    none has no processor that would run
killed: the process that held the machine was killed
window: the link or an end broke between EOF and the last word; the source stands, whole
hook: a hook panicked that was to let the machine go on
cont: of window and hook, those that `cont` let go on
missed: the migration was over before its fault could come, or nothing was there to do it to";

/// The counts of one kind of fault.
#[derive(Debug, Default)]
struct Row {
    runs: u64,
    missed: u64,
    source: u64,
    destination: u64,
    unsure: u64,
    both: u64,
    both_qemu: u64,
    killed: u64,
    window: u64,
    hook: u64,
    recovered: u64,
    lost: u64,
    left: u64,
    violations: u64,
    qemu_hangs: u64,
    known: Vec<Duration>,
}

/// The counts of all kinds.
#[derive(Debug, Default)]
pub(crate) struct Table {
    kinds: BTreeMap<Kind, Row>,
    ends: BTreeMap<String, Row>,
}

impl Row {
    fn add(&mut self, plan: &Plan, outcome: &Outcome) {
        self.runs += 1;
        self.missed += u64::from(!outcome.fired);
        match outcome.place {
            Place::Source => self.source += 1,
            Place::Destination => self.destination += 1,
            Place::Both if plan.source.is_qemu() => self.both_qemu += 1,
            Place::Both => self.both += 1,
            Place::Killed => self.killed += 1,
            Place::Window => self.window += 1,
            Place::BrokenHook => self.hook += 1,
            Place::Nowhere => {}
        }
        self.unsure += u64::from(outcome.unsure);
        self.recovered += u64::from(outcome.recovered);
        self.lost += u64::from(outcome.lost.is_some());
        self.left += u64::from(!outcome.left.is_empty());
        self.violations += u64::from(!outcome.violations.is_empty());
        self.qemu_hangs += u64::from(outcome.qemu_hangs);
        self.known.extend(outcome.known);
    }

    fn merge(&mut self, other: &Row) {
        self.runs += other.runs;
        self.missed += other.missed;
        self.source += other.source;
        self.destination += other.destination;
        self.unsure += other.unsure;
        self.both += other.both;
        self.both_qemu += other.both_qemu;
        self.killed += other.killed;
        self.window += other.window;
        self.hook += other.hook;
        self.recovered += other.recovered;
        self.lost += other.lost;
        self.left += other.left;
        self.violations += other.violations;
        self.qemu_hangs += other.qemu_hangs;
        self.known.extend(&other.known);
    }

    fn print(&self, name: &str) {
        let mut known = self.known.clone();
        known.sort();
        let milliseconds = |time: Option<&Duration>| {
            time.map_or("-".into(), |time| format!("{:.1}", time.as_secs_f64() * 1e3))
        };
        println!(
            "{name:<26}{:>6}{:>7}{:>8}{:>12}{:>8}{:>6}{:>10}{:>8}{:>8}{:>6}{:>6}{:>6}{:>6}{:>5}{:>10}{:>9}",
            self.runs,
            self.missed,
            self.source,
            self.destination,
            self.unsure,
            self.both,
            self.both_qemu,
            self.killed,
            self.window,
            self.hook,
            self.recovered,
            self.lost,
            self.left,
            self.violations,
            milliseconds(known.get(known.len() / 2)),
            milliseconds(known.last()),
        );
    }
}

impl Table {
    pub(crate) fn add(&mut self, plan: &Plan, outcome: &Outcome) {
        if let Some(kind) = plan.kind {
            self.kinds.entry(kind).or_default().add(plan, outcome);
            self.ends.entry(ends(plan)).or_default().add(plan, outcome);
        }
    }

    /// Counts a run that could not be judged.
    pub(crate) fn add_trouble(&mut self, plan: &Plan) {
        let kind = plan.kind.map(|kind| self.kinds.entry(kind).or_default());
        for row in kind.into_iter().chain([self.ends.entry(ends(plan)).or_default()]) {
            row.runs += 1;
            row.violations += 1;
        }
    }

    fn total(&self) -> Row {
        let mut total = Row::default();
        for row in self.kinds.values() {
            total.merge(row);
        }
        total
    }

    pub(crate) fn runs(&self) -> u64 {
        self.total().runs
    }

    /// Returns whether every outcome was one that may be.
    pub(crate) fn is_clean(&self) -> bool {
        self.total().violations == 0
    }

    pub(crate) fn print(&self) {
        println!();
        println!("{:>84}{:>22}{:>8}{:>34}", "both", "----- neither -----", "by", "ms to know");
        println!(
            "{:<26}{:>6}{:>7}{:>8}{:>12}{:>8}{:>6}{:>10}{:>8}{:>8}{:>6}{:>6}{:>6}{:>6}{:>5}{:>10}{:>9}",
            "fault",
            "runs",
            "missed",
            "source",
            "destination",
            "unsure",
            "both",
            "(QEMU's)",
            "killed",
            "window",
            "hook",
            "cont",
            "lost",
            "left",
            "bad",
            "median",
            "max"
        );
        for kind in Kind::all() {
            match self.kinds.get(&kind) {
                Some(row) => row.print(&kind.to_string()),
                None => println!("{kind:<26}     0"),
            }
        }
        self.total().print("all");
        println!();
        for (name, row) in &self.ends {
            row.print(name);
        }
        println!("{LEGEND}");
        println!(
            "\nin {} runs a QEMU neither ended its migration nor itself and was ended, or it aborted",
            self.total().qemu_hangs
        );
    }
}

fn ends(plan: &Plan) -> String {
    let name = |end: EndKind, program: &str| match end {
        EndKind::Running => "running".to_owned(),
        EndKind::Paused => "paused".to_owned(),
        EndKind::Program => program.to_owned(),
        EndKind::Qemu(Which::OnPath) => "QEMU".to_owned(),
        EndKind::Qemu(Which::New) => "new QEMU".to_owned(),
        EndKind::File => "file".to_owned(),
    };
    format!("{} -> {}", name(plan.source, "send"), name(plan.destination, "receive"))
}
