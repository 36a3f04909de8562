//! claim: phase.one-end
//! Cleans up twice: the machine would be told twice to go on.
use bql::BqlGuard;
use engine::MigrationState;
use engine::outgoing::Failed;

fn end(failed: Failed, state: &MigrationState, bql: &mut BqlGuard<'_>) {
    failed.clean_up(state, bql).publish(state, bql);
    failed.clean_up(state, bql).publish(state, bql); //~ E0382
}

fn main() {}
