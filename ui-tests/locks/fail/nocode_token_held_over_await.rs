//! claim: lock.tokens-stay-on-their-thread
//! Keeps the token of the first thread over an `.await`.

use biglock::{AttachError, Backend, Lock, Unlocked};

fn require_send<T: Send>(_: T) {}

async fn step<L: Lock<Backend: Backend<Held: Send>>>() -> Result<(), AttachError> {
    let thread = Unlocked::<L>::attach()?;
    std::future::ready(()).await;
    drop(thread);
    Ok(())
}

fn start<L: Lock<Backend: Backend<Held: Send>>>() {
    require_send(step::<L>()); //~ nocode sent
}

fn main() {}
