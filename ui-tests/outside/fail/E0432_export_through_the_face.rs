//! claim: face.one-private-global
//! Reaches through the face for the export, to make a second global of the same kind.
use migration::exported::Exported; //~ E0432 exported
use migration::bql::Bql;

static SECOND: Exported<u64, Bql> = Exported::new();

fn main() {}
