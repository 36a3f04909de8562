//! Nothing in the engine or in the stream's code lives longer than its owner: no `static`, no
//! thread-local, no lazily made cell. So there is nothing to take the migration object from.

use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};

mod sources;

/// Each is the beginning of something that every function of the program can reach.
const HIDDEN: [&str; 7] =
    ["static", "thread_local", "lazy_static", "OnceLock", "LazyLock", "OnceCell", "LazyCell"];

/// The forbidden words in a source text, also those inside functions and macros.
fn hidden(tokens: TokenStream) -> Vec<String> {
    let mut found = Vec::new();
    let mut tokens = tokens.into_iter();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) => found.extend(hidden(group.stream())),
            // A lifetime, `'static` for one.
            TokenTree::Punct(punct) if punct.as_char() == '\'' => drop(tokens.next()),
            TokenTree::Ident(word) if HIDDEN.iter().any(|hidden| word == hidden) => {
                found.push(word.to_string());
            }
            _ => {}
        }
    }
    found
}

#[test]
fn engine_and_wire_have_no_hidden_state() {
    let mut found = Vec::new();
    for folder in ["../../crates/engine/src", "../../crates/wire/src"] {
        for (file, text) in sources::of(Path::new(folder)) {
            let hidden = hidden(text.parse().expect("Rust"));
            found.extend(hidden.iter().map(|word| format!("{folder}/{file}: {word}")));
        }
    }
    assert!(found.is_empty(), "hand the state over, or make it a const: {found:#?}");
}

#[test]
fn hidden_state_is_found_wherever_it_hides() {
    let hidden = |text: &str| hidden(text.parse().expect("Rust"));
    assert_eq!(hidden("fn f() { { static mut COUNT: u32 = 0; } }"), ["static"]);
    assert_eq!(hidden("std::thread_local! { static X: u8 = 0 }"), ["thread_local", "static"]);
    assert_eq!(hidden("macro_rules! m { () => { static X: u8 = 0; } }"), ["static"]);
    assert_eq!(hidden("const X: std::sync::OnceLock<u8> = todo!();"), ["OnceLock"]);
    assert_eq!(hidden("fn f(text: &'static str) { /* static */ g(\"static\") }"), [""; 0]);
}
