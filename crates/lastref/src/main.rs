//! lastref
fn main() {}
