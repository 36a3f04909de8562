//! The code of the pages, compiled and run as documentation tests: each module is a page.
#![allow(missing_docs)]

macro_rules! pages {
    ($($name:ident = $file:literal),* $(,)?) => {$(
        #[doc = include_str!(concat!("../../../../docs/", $file))]
        pub mod $name {}
    )*

    /// The pages whose code is run, by their name below `docs/`.
    pub const PAGES: &[&str] = &[$($file),*];
    };
}

pages! {
    adopt_rust = "adopt-rust.md",
    async_ = "async.md",
    call_outs = "call-outs.md",
    compile_fail = "compile-fail.md",
    compiler_says = "compiler-says.md",
    decisions = "decisions.md",
    face = "face.md",
    inside = "inside.md",
    machine = "machine.md",
    observers = "observers.md",
    one_export = "one-export.md",
    order = "order.md",
    phases = "phases.md",
    readme = "README.md",
    review = "review.md",
    shutdown = "shutdown.md",
    two_sides = "two-sides.md",
}
