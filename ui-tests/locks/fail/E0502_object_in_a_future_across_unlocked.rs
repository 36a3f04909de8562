//! claim: export.read-ends-with-the-lock
//! Keeps the object in a future over an `.await`, then releases the lock.

use bql::{Bql, BqlGuard};
use exported::Exported;

static PLACE: Exported<String, Bql> = Exported::new();

async fn len(bql: &mut BqlGuard<'_>) -> Option<usize> {
    let object = PLACE.get(bql)?;
    std::future::ready(()).await;
    bql.unlocked(|_| ()); //~ E0502
    Some(object.len())
}

fn main() {}
