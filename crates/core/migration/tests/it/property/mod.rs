//! The whole outside face against a small model of it, in random sequences of operations.
//!
//! One test plays each sequence from one thread, and after each step every answer must be the
//! model's. A migration runs on a thread of its own, so the model knows which statuses are
//! possible: exactly one before a migration, as long as the BQL is not released after the
//! command, and after the end; in between, those that the phases can reach. The other test plays
//! from several threads at once, and checks what holds whatever they do to each other.
//!
//! A failure prints its seed, and `LASTREF_SEED=… cargo test -p lastref-migration --test it property`
//! plays that sequence again. In the second test the seed fixes what each thread does, not how
//! the threads meet.

mod attempt;
mod model;
mod one_thread;
mod random;
mod several_threads;
mod steps;
