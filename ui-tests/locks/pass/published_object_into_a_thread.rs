//! claim: export.read-ends-with-the-lock
//! Starts a thread with the published object, which may be retired before the thread ends.

use bql::{Bql, BqlGuard};
use exported::Exported;

static CURRENT: Exported<String, Bql> = Exported::new();

fn spawn(_run: impl FnOnce() -> usize + Send + 'static) {}

fn length(bql: &BqlGuard<'_>) -> Option<usize> {
    CURRENT.get(bql).map(|name| name.len())
}

fn start<'g>(bql: &'g BqlGuard<'g>) {
    let object = CURRENT.share(bql).expect("published");
    spawn(move || object.len());
}

fn main() {}
