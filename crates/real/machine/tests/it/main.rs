//! The machine from outside: its memory and who has written to it, its vCPU, and attacks by safe,
//! public calls.

mod attacks;
mod dirty_log;
mod kinds;
mod untouched;
mod vcpu;
