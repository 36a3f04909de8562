//! claim: lock.many-end-with-the-lock
//! Drops one of two values that are written at once.

use bql::{BqlGuard, BqlGuarded};

fn late(bql: &mut BqlGuard<'_>, from: BqlGuarded<String>, to: &BqlGuarded<String>) {
    let [text, rest] = bql.borrow_many_mut([&from, to]).unwrap();
    rest.push_str(text);
    drop(from);
}

fn main() {}
