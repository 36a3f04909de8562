//! claim: export.read-ends-with-the-lock
//! Keeps the object in a future over an `.await`, then releases the lock.

use bql::{Bql, BqlGuard};
use exported::Exported;

static PLACE: Exported<String, Bql> = Exported::new();

async fn len(bql: &mut BqlGuard<'_>) -> Option<usize> {
    std::future::ready(()).await;
    bql.unlocked(|_| ());
    let object = PLACE.get(bql)?;
    Some(object.len())
}

fn main() {}
