//! Every claim on every shape, in every interleaving: what the table calls broken must break,
//! what it calls kept must hold.
//!
//! A program of its own: it is built with `--cfg loom`.
//!
//! `RUSTFLAGS="--cfg loom" cargo test --release -p lastref-alternatives --test loom -- --nocapture`
#![cfg(loom)]

use std::sync::Arc;

use alternatives::answers::row;
use alternatives::model::{breaks, holds};
use alternatives::scenario::play;
use alternatives::shapes::{Name, Visitor};
use alternatives::{Arena, Claim, Shape};

/// Models one claim on the shape it visits.
struct Model {
    shape: Name,
    claim: Claim,
}

impl Visitor<Arena> for Model {
    type Output = ();

    fn shape<S: Shape<Arena>>(self) {
        let Model { shape, claim } = self;
        let name = format!("{} {}", shape.name(), claim.name());
        let kept = row(shape).keeps(claim);
        let model = move || {
            let arena =
                if kept && claim.is_about_memory() { Arena::ordered() } else { Arena::new() };
            let arena = Arc::new(arena);
            let report = play::<Arena, S>(claim.cast(), &arena);
            if let Err(broken) = claim.check(&report, &arena) {
                panic!("{broken}\n{}", arena.trace());
            }
        };
        if kept {
            holds(&name, bound(shape, claim), model);
        } else {
            breaks(&name, &format!("{} is broken", claim.name()), model);
        }
    }
}

/// Readers that count, on three threads, have more interleavings than time.
fn bound(shape: Name, claim: Claim) -> Option<usize> {
    let crowded = matches!(shape, Name::Rcu | Name::Weak) && claim.cast().vcpu.is_some();
    crowded.then_some(4)
}

fn every_claim(shape: Name) {
    for claim in Claim::ALL {
        shape.visit(Model { shape, claim });
    }
}

#[test]
fn single_pointer() {
    every_claim(Name::SinglePointer);
}

#[test]
fn null_checks() {
    every_claim(Name::NullChecks);
}

#[test]
fn two_pointers() {
    every_claim(Name::TwoPointers);
}

#[test]
fn pointer_mutex() {
    every_claim(Name::PointerMutex);
}

#[test]
fn object_lock() {
    every_claim(Name::ObjectLock);
}

#[test]
fn rcu() {
    every_claim(Name::Rcu);
}

#[test]
fn weak() {
    every_claim(Name::Weak);
}

#[test]
fn arc_swap() {
    every_claim(Name::ArcSwap);
}

#[test]
fn once_lock() {
    every_claim(Name::OnceLock);
}

#[test]
fn end_state() {
    every_claim(Name::EndState);
}
