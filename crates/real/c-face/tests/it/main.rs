//! The C face from C: the header is the crate's, and a program uses it.

mod build;
mod c_program;
mod header;
mod tool;
