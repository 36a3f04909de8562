//! What the tokens cost: an uncontended lock + unlock beside the bare mutex.
//!
//! `cargo run --release -p lastref-biglock --example uncontended`

use std::hint::black_box;
use std::sync::Mutex;
use std::time::Instant;

use biglock::{Lock, StdMutex, Unlocked};

static BIG: StdMutex = StdMutex::new();
static BARE: Mutex<()> = Mutex::new(());

enum Big {}
impl Lock for Big {
    type Backend = StdMutex;
    const LOCK: &'static StdMutex = &BIG;
}

const ROUNDS: u32 = 2_000_000;
const PAIRS: usize = 21;

fn nanoseconds(mut lock_and_unlock: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..ROUNDS {
        lock_and_unlock();
    }
    start.elapsed().as_nanos() as f64 / f64::from(ROUNDS)
}

fn main() {
    let mut thread = Unlocked::<Big>::attach().expect("first attach");
    let mut pairs: Vec<(f64, f64)> = (0..PAIRS)
        .map(|_| {
            let bare = nanoseconds(|| drop(black_box(black_box(&BARE).lock())));
            let token = nanoseconds(|| drop(black_box(black_box(&mut thread).lock())));
            (token / bare, bare)
        })
        .collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (ratio, bare) = pairs[PAIRS / 2];
    println!(
        "guard / bare mutex: median {ratio:.2} of {PAIRS} interleaved pairs, \
         {:.2} to {:.2}; bare {bare:.1} ns",
        pairs[0].0,
        pairs[PAIRS - 1].0
    );
}
