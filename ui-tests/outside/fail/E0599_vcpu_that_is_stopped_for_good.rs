//! claim: face.handles-have-no-rights
//! Stops a machine for a migration that there is not.
use machine::Vcpu;
use migration::bql::BqlGuard;

fn stop(vcpu: &Vcpu, bql: &mut BqlGuard<'_>) {
    vcpu.stop_for_migration(bql); //~ E0599 stop_for_migration
}

fn main() {}
