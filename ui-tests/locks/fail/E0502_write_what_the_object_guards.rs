//! claim: export.read-ends-with-the-lock
//! Finds the object and writes what it guards, with one borrow of the guard for both.

use bql::{Bql, BqlGuard, BqlGuarded};
use exported::Exported;

struct Device {
    writes: BqlGuarded<u64>,
}
static CURRENT: Exported<Device, Bql> = Exported::new();

fn is_there(bql: &BqlGuard<'_>) -> bool {
    CURRENT.get(bql).is_some()
}

fn write(bql: &mut BqlGuard<'_>) {
    if let Some(device) = CURRENT.get(bql) {
        *device.writes.borrow_mut(bql) += 1; //~ E0502
    }
}

fn main() {}
