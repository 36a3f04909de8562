//! claim: face.observer-only-reads
//! Opens an observer to write the status it shows.
use migration::{MigrationStatus, Observer};

fn show(observer: &Observer) -> MigrationStatus {
    let _ = &observer.info();
    observer.status()
}

fn main() {}
