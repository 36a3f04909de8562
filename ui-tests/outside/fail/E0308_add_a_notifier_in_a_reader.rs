//! claim: face.commands-may-release
//! Registers where somebody may be reading the registry.
use migration::Notifier;
use migration::bql::BqlGuard;

fn add(bql: &BqlGuard<'_>) -> Notifier {
    migration::add_notifier(bql, |_, _| Ok(())) //~ E0308
}

fn main() {}
