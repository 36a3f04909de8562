//! claim: lock.conditions-keep-their-parts
//! Reaches the condition variable of the backend, which a wait with another mutex would spoil.

use biglock::Condvar;
use bql::Bql;

fn wake(changed: &Condvar<Bql>) {
    changed.inner.notify_all(); //~ E0616 inner
}

fn main() {}
