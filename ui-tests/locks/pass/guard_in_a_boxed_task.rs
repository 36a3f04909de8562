//! claim: lock.tokens-stay-on-their-thread
//! Captures a guard in a boxed task for a thread pool.

use biglock::{Backend, Guard, Lock};

fn task<'t, L: Lock<Backend: Backend<Held: Send>>>(
    guard: Guard<'t, L>,
) -> Box<dyn FnOnce() + Send + 't> {
    drop(guard);
    Box::new(move || ())
}

fn main() {}
