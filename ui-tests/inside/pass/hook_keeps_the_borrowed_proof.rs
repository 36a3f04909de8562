//! claim: inside.hooks-keep-nothing
//! Keeps the proof that a hook was lent, for a time when the machine runs again.
use std::cell::Cell;

use bql::BqlGuard;
use engine::{Device, VmStopped};

thread_local! {
    static KEPT: Cell<Option<&'static VmStopped>> = const { Cell::new(None) };
}

fn save<D: Device>(device: &D, bql: &BqlGuard<'_>, stopped: &VmStopped) -> D::State {
    KEPT.set(None);
    device.save(bql, stopped)
}

fn main() {}
