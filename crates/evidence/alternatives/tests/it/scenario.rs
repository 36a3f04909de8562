//! The scenario with threads of the system: what the table calls kept is never seen broken.

use std::sync::Arc;

use alternatives::answers::row;
use alternatives::scenario::{Cast, Helper, play};
use alternatives::shapes::{Name, Visitor};
use alternatives::{Arena, Claim, Shape};

const PLAYS: usize = 100;

/// Plays a cast and says which claims it broke.
struct Play(Cast);

impl Visitor<Arena> for Play {
    type Output = Vec<(Claim, String)>;

    fn shape<S: Shape<Arena>>(self) -> Self::Output {
        let arena = Arc::new(Arena::new());
        let report = play::<Arena, S>(self.0, &arena);
        Claim::ALL
            .into_iter()
            // Another cast has nothing to say about the claim.
            .filter(|claim| claim.cast() == self.0)
            .filter_map(|claim| claim.check(&report, &arena).err())
            .map(|broken| (broken.claim, format!("{broken}\n{}", arena.trace())))
            .collect()
    }
}

#[test]
fn what_the_table_calls_kept_is_never_seen_broken() {
    for shape in Name::ALL {
        for claim in Claim::ALL {
            for _ in 0..PLAYS {
                for (broken, trace) in shape.visit(Play(claim.cast())) {
                    assert!(!row(shape).keeps(broken), "{}: {trace}", shape.name());
                }
            }
        }
    }
}

#[test]
fn what_is_broken_in_any_order_is_seen_broken() {
    let always = [
        (Name::SinglePointer, Claim::EarlyHelper),
        (Name::SinglePointer, Claim::MainThreadReads),
        (Name::SinglePointer, Claim::SecondObject),
        (Name::NullChecks, Claim::MainThreadReads),
        (Name::NullChecks, Claim::GoneAfterShutdown),
        (Name::TwoPointers, Claim::IntrospectionIsHarmless),
        (Name::OnceLock, Claim::GoneAfterShutdown),
        (Name::OnceLock, Claim::EndsAtAll),
    ];
    for (shape, claim) in always {
        let broken = shape.visit(Play(claim.cast()));
        assert!(broken.iter().any(|(seen, _)| *seen == claim), "{} {claim:?}", shape.name());
    }
}

#[test]
fn the_end_state_keeps_every_claim_with_everybody_on_stage() {
    struct Everybody;
    impl Visitor<Arena> for Everybody {
        type Output = ();
        fn shape<S: Shape<Arena>>(self) {
            for helper in [Helper::IsRunning, Helper::IsActive] {
                let arena = Arc::new(Arena::new());
                let cast =
                    Cast { early: true, vcpu: Some(helper), introspection: true, second: true };
                let report = play::<Arena, S>(cast, &arena);
                for claim in Claim::ALL {
                    assert_eq!(claim.check(&report, &arena), Ok(()), "{}", arena.trace());
                }
            }
        }
    }
    for _ in 0..PLAYS {
        Name::EndState.visit(Everybody);
    }
}
