//! The engine from outside: whole migrations between objects of one process, or to a peer that
//! the test plays, with a machine that does at each hook what the test wants.

mod cancel;
mod course;
mod endpoints;
mod faults;
mod multifd;
mod notifiers;
mod ownership;
mod pages;
mod peer;
mod return_path;
mod rig;
mod statuses;
mod transfer;
