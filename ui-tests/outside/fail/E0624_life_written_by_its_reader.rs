//! claim: face.life-is-only-read
//! Notes in the record of an object's life that it is gone, so that nobody waits for it.
use migration::{Life, LifeEventKind};

fn end(life: &Life) -> usize {
    life.record(LifeEventKind::Dropped); //~ E0624 record
    life.events().len()
}

fn main() {
    let _ = end;
}
