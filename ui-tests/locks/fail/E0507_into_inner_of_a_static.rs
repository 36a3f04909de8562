//! claim: lock.data-needs-a-guard
//! Moves the value out of a cell that others see.

use bql::BqlGuarded;

static NAME: BqlGuarded<String> = BqlGuarded::new(String::new());

fn main() {
    let name = NAME.into_inner(); //~ E0507
    drop(name);
}
