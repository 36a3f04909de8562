//! claim: face.parts-are-private
//! Calls the set-up of a part of migration, as system/vl.c once called ram_mig_init.
use migration::bql::BqlGuard;
use migration::{Host, InitError, MigrationObject};

fn start(bql: &mut BqlGuard<'_>, host: Host) -> Result<MigrationObject, InitError> {
    migration::ram_mig_init(); //~ E0425 ram_mig_init
    migration::object_init(bql, host)
}

fn main() {}
