//! claim: lock.blocking-needs-the-lock-let-go
//! Asks the guard for its token through `AsMut`.

use bql::{BqlGuard, BqlUnlocked};

fn send(_thread: &mut BqlUnlocked) {}

fn save(bql: &mut BqlGuard<'_>) {
    fn any<T: AsMut<BqlUnlocked>>(_: fn(&mut T)) {}
    let _ = any::<Box<BqlUnlocked>>;
    let _ = any::<BqlGuard<'_>>; //~ E0277 AsMut
    bql.unlocked(send);
}

fn main() {}
