//! claim: inside.read-ends-at-a-call-out
//! Keeps a read across cleanup, which calls notifiers; one of them may drop what is read.
use bql::BqlGuard;
use engine::MigrationState;
use engine::outgoing::Failed;

fn clean_up(failed: Failed, state: &MigrationState, bql: &mut BqlGuard<'_>) -> String {
    let all = state.registrations(bql);
    let _end = failed.clean_up(bql); //~ E0502
    format!("{all:?}")
}

fn main() {}
