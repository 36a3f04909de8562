//! The program `lastref` from outside: its command line, what a peer may do, a real QEMU at the other
//! end, and the page of a report.

mod against_qemu;
mod any_order;
mod bad_input;
mod demo;
mod diff_extract;
mod durable;
mod files;
mod inspect;
mod inspect_qemu;
mod kvm;
mod real_qemu;
mod report;
mod support;
mod usage;
