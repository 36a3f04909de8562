//! Where the machine is after a fault, and what is wrong with that.

use std::time::Duration;

use super::Trouble;
use super::ends::End;
use super::plan::{EndKind, Kind, Plan};
use super::role::{Check, Ended, Has};

/// Where the machine was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Source,
    Destination,
    /// Both ends have it. With a QEMU at the source its protocol allows that: QEMU lets the machine
    /// go on after EOF.
    Both,
    /// Nobody runs it: the process that held it was killed.
    Killed,
    /// Nobody runs it: the link broke between EOF and the last word, and `cont` let it go on.
    Window,
    /// Nobody runs it: a hook is broken, and `cont` let it go on where it was.
    BrokenHook,
    /// Nobody has it, and nobody can tell why.
    Nowhere,
}

/// The end of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) place: Place,
    /// The destination has it, and the source stands, since it cannot know.
    pub(crate) unsure: bool,
    /// `cont` let it go on.
    pub(crate) recovered: bool,
    /// Why a write was lost or done twice.
    pub(crate) lost: Option<String>,
    /// A QEMU did not end its migration, or did not answer, and its user ended it; or it aborted.
    pub(crate) qemu_hangs: bool,
    /// What was left behind.
    pub(crate) left: Vec<String>,
    /// From the fault until both ends knew how the migration ended.
    pub(crate) known: Option<Duration>,
    /// Whether the fault came about.
    pub(crate) fired: bool,
    /// What must not be.
    pub(crate) violations: Vec<String>,
    /// What happened, in order.
    pub(crate) story: Vec<String>,
}

/// The two ends after their migration.
pub(crate) struct Ends<'a> {
    pub(crate) source: &'a mut dyn End,
    pub(crate) destination: &'a mut dyn End,
    pub(crate) source_ended: Option<&'a Ended>,
}

impl Outcome {
    pub(crate) fn new(story: Vec<String>) -> Self {
        Outcome {
            place: Place::Nowhere,
            unsure: false,
            recovered: false,
            lost: None,
            qemu_hangs: false,
            left: Vec::new(),
            known: None,
            fired: false,
            violations: Vec::new(),
            story,
        }
    }

    fn damaged(&mut self, whose: &str, check: &Check) {
        if let Some(damage) = &check.damage {
            self.lost.get_or_insert(format!("{whose}: {damage}"));
        }
    }

    fn violated(&mut self, what: impl Into<String>) {
        self.violations.push(what.into());
    }

    /// Asks both ends where the machine is, and lets it go on where it stands.
    pub(crate) fn judge(&mut self, plan: &Plan, ends: Ends<'_>) -> Result<(), Trouble> {
        let (source, destination) = (ends.source.check()?, ends.destination.check()?);
        self.story.push(format!("source has {source:?}"));
        self.story.push(format!("destination has {destination:?}"));
        self.damaged("source", &source);
        self.damaged("destination", &destination);

        if plan.source == EndKind::Running && destination.has == Has::Runs {
            // Its position is as it was when the machine was stopped, unless it ran on.
            if let (Some(position), Some(arrived)) = (source.position, destination.arrived)
                && position != arrived
            {
                self.lost.get_or_insert(format!(
                    "the source is at write {position}, and {arrived} writes arrived"
                ));
            }
        }
        let unconfirmed = ends.source_ended.is_some_and(|ended| ended.unconfirmed);
        if source.has == Has::Stopped
            && !unconfirmed
            && plan.kind != Some(Kind::Panic)
            && !plan.source.is_qemu()
        {
            self.violated("the source left its machine stopped, and not because it cannot know");
        }
        // A QEMU may end by an assertion of its own.
        let error = ends.source_ended.and_then(|ended| ended.error.as_deref());
        let aborted = plan.source.is_qemu() && error.is_some_and(|error| error.contains("SIGABRT"));
        self.qemu_hangs |= ends.source.hangs() || ends.destination.hangs() || aborted;
        let its_own = ends.source.hangs() || aborted;
        if source.has == Has::Dead && !its_own && plan.kind != Some(Kind::KillSource) {
            self.violated("the source ended by itself");
        }
        if destination.has == Has::Dead && plan.kind != Some(Kind::KillDestination) {
            self.violated("the destination ended by itself");
        }

        match (source.has, destination.has) {
            (Has::Runs, Has::Runs) => {
                self.place = Place::Both;
                if !plan.source.is_qemu() {
                    self.violated("the machine runs at both ends");
                }
            }
            (Has::Runs, _) => self.place = Place::Source,
            (has, Has::Runs) => {
                self.place = Place::Destination;
                self.unsure = has == Has::Stopped;
                let is_role = matches!(plan.source, EndKind::Running | EndKind::Paused);
                if has == Has::NotHere && is_role && ends.source.cont().is_ok() {
                    self.violated("`cont` lets a machine go on that has moved");
                }
            }
            (Has::Stopped, _) => {
                self.place = Place::Window;
                if plan.kind == Some(Kind::Panic) && !unconfirmed {
                    self.place = Place::BrokenHook;
                }
                self.recover("source", ends.source);
            }
            (_, Has::Stopped) => {
                self.place = Place::BrokenHook;
                if plan.kind != Some(Kind::Panic) {
                    self.violated("the machine arrived, and was not started");
                }
                self.recover("destination", ends.destination);
            }
            (Has::Dead, _) | (_, Has::Dead) => self.place = Place::Killed,
            (Has::NotHere, Has::NotHere) if plan.source.is_qemu() => {
                // It ran out of its sight; its user may let it go on.
                self.place = Place::Window;
                self.recover("source", ends.source);
            }
            (Has::NotHere, Has::NotHere) => self.violated("nobody has the machine"),
        }
        Ok(())
    }

    fn recover(&mut self, whose: &str, end: &mut dyn End) {
        let after = end.cont().and_then(|()| end.check().map_err(|error| error.to_string()));
        match after {
            Ok(check) if check.has == Has::Runs => {
                self.recovered = true;
                self.damaged(whose, &check);
                self.story.push(format!("`cont` at the {whose}: it has {check:?}"));
            }
            other => self.violated(format!("`cont` at the {whose} does not help: {other:?}")),
        }
    }

    /// Adds up what was found to what must not be.
    pub(crate) fn conclude(&mut self) {
        if let Some(lost) = self.lost.clone() {
            self.violated(format!("a write was lost or done twice: {lost}"));
        }
        for left in self.left.clone() {
            self.violated(format!("left behind: {left}"));
        }
    }
}
