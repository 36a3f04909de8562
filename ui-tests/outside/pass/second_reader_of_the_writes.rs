//! claim: face.dirty-log-has-one-reader
//! Reads the writes of a machine beside its migration.
use machine::DirtyTracking;

fn two(tracking: DirtyTracking) -> [DirtyTracking; 1] {
    [tracking]
}

fn main() {}
