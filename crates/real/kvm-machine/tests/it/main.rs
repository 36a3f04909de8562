//! A guest that KVM runs, from outside.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod moves;
mod runs;
mod support;
mod types;
