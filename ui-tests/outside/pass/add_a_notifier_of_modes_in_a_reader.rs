//! claim: face.commands-may-release
//! Registers for some modes where somebody may be reading the registry.
use migration::bql::BqlGuard;
use migration::{MigModes, Notifier};

fn call(bql: &mut BqlGuard<'_>, modes: MigModes) -> Notifier {
    migration::add_notifier_modes(bql, modes, |_, _| Ok(()))
}

fn main() {}
