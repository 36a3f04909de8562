//! What the tests of several crates share.
//!
//! | to | there is |
//! | --- | --- |
//! | write and read a migration stream by hand | [`stream`], [`peer`] |
//! | migrate a machine that does at each hook what the test wants | [`machine`] |
//! | run a program, a real QEMU or a real Chromium | [`program`], [`qemu`], [`chromium`] |
//! | keep files, addresses and RAM images apart | [`site`], [`address`], [`image`] |
//! | take turns with the one global, and wait | [`turn`], [`wait`] |
//!
//! A development dependency, by path and without a version: cargo leaves it out of the packages
//! that it publishes.
#![forbid(unsafe_code)]

pub mod address;
pub mod chromium;
pub mod image;
pub mod machine;
pub mod peer;
pub mod program;
pub mod qemu;
pub mod qmp;
pub mod site;
pub mod stream;
pub mod turn;
pub mod wait;
