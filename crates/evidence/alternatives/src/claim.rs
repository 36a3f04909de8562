//! What a user of the migration object may expect.

use std::fmt;

use crate::arena::Arena;
use crate::scenario::{Cast, FIRST, Helper, Report, SECOND};
use crate::sync::VCPU;

/// One expectation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// A helper answers before there is an object.
    EarlyHelper,
    /// A helper on the main thread never uses a freed object.
    MainThreadReads,
    /// `migration_is_running` on any thread never uses a freed object.
    AnyThreadReads,
    /// Any helper on any thread never uses a freed object.
    AnyHelperReads,
    /// After shutdown helpers find no object.
    GoneAfterShutdown,
    /// Migration code finds the object of its own migration, also when it outlives shutdown.
    ThreadKeepsItsObject,
    /// Making and dropping an object elsewhere changes nothing.
    IntrospectionIsHarmless,
    /// After shutdown there can be another object, and helpers find it.
    SecondObject,
    /// The destructor never runs on a thread that only asked a helper.
    EndsInside,
    /// The object ends when everybody is done with it.
    EndsAtAll,
}

impl Claim {
    /// Every claim, in the order of the tables.
    pub const ALL: [Claim; 10] = [
        Claim::EarlyHelper,
        Claim::MainThreadReads,
        Claim::AnyThreadReads,
        Claim::AnyHelperReads,
        Claim::GoneAfterShutdown,
        Claim::ThreadKeepsItsObject,
        Claim::IntrospectionIsHarmless,
        Claim::SecondObject,
        Claim::EndsInside,
        Claim::EndsAtAll,
    ];

    /// As the documentation calls it.
    pub fn name(self) -> &'static str {
        match self {
            Claim::EarlyHelper => "early-helper",
            Claim::MainThreadReads => "main-thread-reads",
            Claim::AnyThreadReads => "any-thread-reads",
            Claim::AnyHelperReads => "any-helper-reads",
            Claim::GoneAfterShutdown => "gone-after-shutdown",
            Claim::ThreadKeepsItsObject => "thread-keeps-its-object",
            Claim::IntrospectionIsHarmless => "introspection-is-harmless",
            Claim::SecondObject => "second-object",
            Claim::EndsInside => "ends-inside",
            Claim::EndsAtAll => "ends-at-all",
        }
    }

    /// Whether it is about the order of uses and end of an object.
    pub fn is_about_memory(self) -> bool {
        matches!(self, Claim::MainThreadReads | Claim::AnyThreadReads | Claim::AnyHelperReads)
    }

    /// The smallest cast that can break it.
    pub fn cast(self) -> Cast {
        let alone = Cast::default();
        match self {
            Claim::EarlyHelper => Cast { early: true, ..alone },
            Claim::MainThreadReads | Claim::GoneAfterShutdown | Claim::EndsAtAll => alone,
            Claim::AnyThreadReads | Claim::EndsInside => {
                Cast { vcpu: Some(Helper::IsRunning), ..alone }
            }
            Claim::AnyHelperReads => Cast { vcpu: Some(Helper::IsActive), ..alone },
            Claim::IntrospectionIsHarmless => Cast { introspection: true, ..alone },
            Claim::ThreadKeepsItsObject | Claim::SecondObject => Cast { second: true, ..alone },
        }
    }

    /// Looks whether a play of [`cast`](Claim::cast) kept the claim.
    ///
    /// # Errors
    ///
    /// What broke it.
    pub fn check(self, report: &Report, arena: &Arena) -> Result<(), Broken> {
        let found = |answer: Option<u32>| match answer {
            Some(serial) => format!("{serial:#x} was found"),
            None => "nothing was found".to_owned(),
        };
        let problem = match self {
            Claim::EarlyHelper => (report.early != Some(None) || arena.null_dereferenced())
                .then(|| format!("NULL was dereferenced: {}", found(report.early.flatten()))),
            Claim::MainThreadReads | Claim::AnyThreadReads | Claim::AnyHelperReads => {
                arena.used_after_free().then(|| "use after free".to_owned())
            }
            Claim::GoneAfterShutdown => {
                report.late.or(report.last).map(|serial| format!("{} late", found(Some(serial))))
            }
            Claim::ThreadKeepsItsObject => {
                (report.inside != Some(FIRST)).then(|| format!("{} inside", found(report.inside)))
            }
            Claim::IntrospectionIsHarmless => (report.introspection != Some((Ok(()), Some(FIRST))))
                .then(|| match report.introspection {
                    Some((Ok(()), answer)) => format!("{} after it", found(answer)),
                    _ => "it was refused".to_owned(),
                }),
            Claim::SecondObject => {
                (report.second != Some(Ok(Some(SECOND)))).then(|| match report.second {
                    Some(Ok(answer)) => format!("{} after init", found(answer)),
                    _ => "it was refused".to_owned(),
                })
            }
            Claim::EndsInside => (arena.freed_by(FIRST) == Some(VCPU))
                .then(|| "the virtual CPU's thread ran the destructor".to_owned()),
            Claim::EndsAtAll => {
                arena.freed_by(FIRST).is_none().then(|| "the object never ended".to_owned())
            }
        };
        problem.map_or(Ok(()), |what| Err(Broken { claim: self, what }))
    }
}

/// A claim was not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub claim: Claim,
    /// What was seen.
    pub what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is broken: {}", self.claim.name(), self.what)
    }
}
