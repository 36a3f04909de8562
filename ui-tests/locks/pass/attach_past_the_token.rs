//! claim: lock.nobody-gets-past-the-tokens
//! Notes its thread as attached without a token, with a proof made by `Default`.

use biglock::{Backend, FromTokens, Lock};
use bql::Bql;

fn block_others(proof: FromTokens) -> bool {
    Bql::LOCK.attach(proof).is_ok()
}

fn main() {}
