//! claim: export.read-ends-with-the-lock
//! Moves the borrowed object into a thread, which outlives the call.

use bql::{Bql, BqlGuard};
use exported::Exported;

static PLACE: Exported<String, Bql> = Exported::new();
fn start(_run: impl FnOnce() -> usize + Send + 'static) {}

fn work<'g>(bql: &'g BqlGuard<'g>) {
    if let Some(object) = PLACE.get(bql) {
        start(move || object.len()); //~ E0521
    }
}

fn main() {}
