//! Which shape keeps which claim, and how it answers the eight objections of the review.
//!
//! The loom models check every verdict on a claim, broken or kept. The answers to the objections are
//! judgements; `docs/alternatives.md` says what each question asks of a shape. Both tables
//! there are compared with the ones here.

use std::fmt;

use crate::claim::Claim;
use crate::shapes::Name;

/// What gives the answer to an objection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// What breaks it does not build.
    Compiler,
    /// It is looked at, counted or locked when the program runs.
    RunTime,
    /// A comment, a name, an audit.
    Convention,
    /// Nothing.
    Nothing,
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            By::Compiler => "compiler",
            By::RunTime => "run time",
            By::Convention => "convention",
            By::Nothing => "not at all",
        })
    }
}

/// A row of each table.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The shape.
    pub shape: Name,
    /// Q1 to Q8.
    pub questions: [By; 8],
    /// The claims that have a failing interleaving.
    pub broken: &'static [Claim],
}

impl Row {
    /// Whether the shape keeps the claim in every interleaving that loom tries.
    pub fn keeps(&self, claim: Claim) -> bool {
        !self.broken.contains(&claim)
    }
}

/// The row of a shape.
pub fn row(shape: Name) -> &'static Row {
    &ROWS[shape as usize]
}

use By::{Compiler as C, Convention as V, Nothing as N, RunTime as R};
use Claim::{
    AnyHelperReads, AnyThreadReads, EarlyHelper, EndsAtAll, EndsInside, GoneAfterShutdown,
    IntrospectionIsHarmless, MainThreadReads, SecondObject, ThreadKeepsItsObject,
};

/// The tables, in the order of [`Name::ALL`].
pub const ROWS: [Row; 10] = [
    Row {
        shape: Name::SinglePointer,
        questions: [N, N, N, N, N, N, V, N],
        broken: &[
            EarlyHelper,
            MainThreadReads,
            AnyThreadReads,
            AnyHelperReads,
            GoneAfterShutdown,
            SecondObject,
        ],
    },
    Row {
        shape: Name::NullChecks,
        questions: [N, N, N, N, N, N, V, N],
        broken: &[MainThreadReads, AnyThreadReads, AnyHelperReads, GoneAfterShutdown, SecondObject],
    },
    Row {
        shape: Name::TwoPointers,
        questions: [V, V, V, V, V, N, V, V],
        broken: &[AnyThreadReads, AnyHelperReads, IntrospectionIsHarmless, SecondObject],
    },
    Row {
        shape: Name::PointerMutex,
        questions: [V, V, N, V, V, N, V, R],
        broken: &[AnyHelperReads, GoneAfterShutdown, SecondObject],
    },
    Row {
        shape: Name::ObjectLock,
        questions: [N, N, N, N, N, N, N, N],
        broken: &[AnyThreadReads, AnyHelperReads, ThreadKeepsItsObject],
    },
    Row {
        shape: Name::Rcu,
        questions: [V, C, V, R, N, R, N, R],
        broken: &[ThreadKeepsItsObject, EndsInside],
    },
    Row {
        shape: Name::Weak,
        questions: [V, R, V, R, N, R, V, R],
        broken: &[GoneAfterShutdown, ThreadKeepsItsObject, EndsInside],
    },
    Row {
        shape: Name::ArcSwap,
        questions: [V, R, V, R, N, R, N, R],
        broken: &[ThreadKeepsItsObject, EndsInside],
    },
    Row {
        shape: Name::OnceLock,
        questions: [C, C, V, C, C, C, C, N],
        broken: &[GoneAfterShutdown, SecondObject, EndsAtAll],
    },
    Row { shape: Name::EndState, questions: [C, C, C, C, C, C, C, C], broken: &[] },
];
