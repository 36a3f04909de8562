//! claim: face.handles-only-from-the-face
//! Makes a blocker without the lock and without anybody who looks at it.
use std::sync::Arc;

use migration::bql::BqlGuard;
use migration::{Blocker, CommandError};

fn block(bql: &mut BqlGuard<'_>, reason: Arc<str>) -> Result<Blocker, CommandError> {
    Ok(migration::add_blocker(bql, &reason)?)
}

fn main() {}
