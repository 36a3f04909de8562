//! The engine from outside: whole migrations between objects of one process, or to a peer that
//! the test plays, with a machine that does at each hook what the test wants.

mod agreement;
mod attacks;
mod cancel;
mod course;
mod endpoints;
mod faults;
mod multifd;
mod notifiers;
mod ownership;
mod pages;
mod return_path;
mod statuses;
mod transfer;
