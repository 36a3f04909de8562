//! claim: face.off-lock-threads-observe
//! Asks again after an await, when the task may be on another thread.
use std::future::{Future, ready};

use migration::Observer;
use migration::bql::BqlGuard;

fn execute(_: impl Future<Output = bool> + Send) {}

async fn ask(observer: Observer) -> bool {
    ready(()).await;
    observer.is_running()
}

fn start(observer: Observer, bql: &BqlGuard<'_>) {
    let _ = (migration::is_running(bql), execute(ask(observer)));
}

fn main() {}
