//! claim: face.notifiers-give-the-lock-back
//! Returns the guard from the notifier, so that the caller no longer has it.
use migration::Notifier;
use migration::bql::BqlGuard;

fn add(bql: &mut BqlGuard<'_>) -> Notifier {
    migration::add_notifier(bql, |bql, _| {
        let _ = migration::is_running(bql);
        bql //~ E0308
    })
}

fn main() {}
