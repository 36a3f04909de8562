//! claim: phase.one-end
//! Cleans up twice: the machine would be told twice to go on.
use bql::BqlGuard;
use engine::outgoing::Failed;

fn end(failed: Failed, bql: &mut BqlGuard<'_>) {
    failed.clean_up(bql).publish(bql);
}

fn main() {}
