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
    let (holding, mut access) = bql.split();
    if let Some(device) = CURRENT.get_while(holding) {
        *access.borrow_mut(&device.writes) += 1;
    }
}

fn main() {}
