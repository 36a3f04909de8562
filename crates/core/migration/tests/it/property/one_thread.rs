//! Each sequence from one thread: after each step every answer must be the model's.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use test_support::machine::attach;

use super::model::Model;
use super::random::{Random, SaySeed, seeds};
use crate::turn::my_turn;

/// How many sequences are played.
const SEQUENCES: u64 = 4000;

/// How many operations one has.
const STEPS: u64 = 30;

#[test]
fn every_answer_is_the_models() {
    let _turn = my_turn();
    let mut thread = attach();
    let (began, seeds) = (Instant::now(), seeds(SEQUENCES));
    let mut reached = Vec::new();
    for &seed in &seeds {
        let script = Arc::<Mutex<String>>::default();
        let _say = SaySeed(seed, Arc::clone(&script));
        let mut bql = thread.lock();
        let mut model = Model {
            random: Random(seed),
            narrow: seed.is_multiple_of(4),
            script,
            right: None,
            retired: Vec::new(),
            blockers: Vec::new(),
            notifiers: Vec::new(),
            only_migratable: false,
            number: 0,
            kept: Vec::new(),
        };
        model.check(&mut bql);
        for _ in 0..STEPS {
            model.step(&mut bql);
            model.check(&mut bql);
        }
        for observer in model.finish(&mut bql) {
            reached.extend(observer.history());
        }
    }
    reached.sort_by_key(|status| *status as u8);
    reached.dedup();
    assert!(seeds.len() == 1 || reached.len() == 9, "some status was never reached: {reached:?}");
    println!("{} sequences of {STEPS} steps in {:?}", seeds.len(), began.elapsed());
}
