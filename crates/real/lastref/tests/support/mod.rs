//! What a test with a real QEMU at one end needs: QEMU itself, the program
//! under test, a RAM image both can be compared with, and a place for it all.

pub(crate) mod address;
pub(crate) mod image;
pub(crate) mod program;
pub(crate) mod qemu;
pub(crate) mod qmp;
pub(crate) mod site;
pub(crate) mod wait;
