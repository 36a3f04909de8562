//! What code that knows only the lock crates must not be able to write: see `fail/` and `pass/`.
