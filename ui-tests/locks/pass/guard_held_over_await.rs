//! claim: lock.tokens-stay-on-their-thread
//! Holds a guard over an `.await` in a future for a multi-threaded executor.

use biglock::{Backend, Lock, Unlocked};

fn require_send<T: Send>(_: T) {}

fn attach<L: Lock>() -> &'static mut Unlocked<L> {
    Box::leak(Box::new(Unlocked::attach().expect("first attach")))
}
async fn step<L: Lock<Backend: Backend<Held: Send>>>() {
    let guard = attach::<L>().lock();
    drop(guard);
    std::future::ready(()).await;
}

fn start<L: Lock<Backend: Backend<Held: Send>>>() {
    require_send(step::<L>());
}

fn main() {}
