//! What code outside of migration must not be able to write: see `fail/` and `pass/`.
