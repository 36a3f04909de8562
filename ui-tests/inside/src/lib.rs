//! What code inside the engine must not be able to write: see `fail/` and `pass/`.
