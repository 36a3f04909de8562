//! What the crate's tables claim: the pages say the same, and threads of the system see nothing else.
#![cfg(not(loom))]

mod scenario;
mod table;
