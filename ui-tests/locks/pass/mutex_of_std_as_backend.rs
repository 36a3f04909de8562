//! claim: lock.nobody-gets-past-the-tokens
//! Puts a bare mutex behind the tokens, which any code could lock without one.

use biglock::{Lock, StdMutex};
use std::sync::Mutex;

static PLAIN: Mutex<()> = Mutex::new(());
static MUTEX: StdMutex = StdMutex::new();

enum Big {}
impl Lock for Big {
    type Backend = StdMutex;
    const LOCK: &'static Self::Backend = &MUTEX;
}

fn main() {}
