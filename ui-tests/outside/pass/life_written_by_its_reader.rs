//! claim: face.life-is-only-read
//! Notes in the record of an object's life that it is gone, so that nobody waits for it.
use migration::{Life, LifeEventKind};

fn end(life: &Life) -> usize {
    assert!(life.events().iter().any(|event| event.what == LifeEventKind::Dropped));
    life.events().len()
}

fn main() {
    let _ = end;
}
