//! claim: face.one-private-global
//! Reaches through the face for the export, to make a second global of the same kind.
use migration::bql::BqlGuarded;
use migration::bql::Bql;

static SECOND: BqlGuarded<Option<Bql>> = BqlGuarded::new(None);

fn main() {}
