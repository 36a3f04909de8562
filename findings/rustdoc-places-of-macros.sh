#!/usr/bin/env bash
# Question: a macro in another file documents a function, with an argument as the first line of the
#   documentation and a test of its own after it. Where does rustdoc say the test is?
# One would guess: in the macro's file, at the line of the test; or at the line of the call.
# What happens: in the file of the first line, at that line plus as many as the test is below the first.
#   That place is of something else, and may be where another test is: then two tests have one place, and
#   the names of their functions differ in a running number alone.
# Why it matters: a tool that finds the programs of documentation tests by file and line takes one for
#   the other: one that must compile for one that must not. The text has to decide.
#
# rustdoc 1.95.0.
set -euo pipefail
export RUSTUP_TOOLCHAIN=1.95.0

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/src"
cat >"$folder/Cargo.toml" <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"

[workspace]
TOML
cat >"$folder/src/documented.rs" <<'RUST'
macro_rules! documented {
    ($first:literal, $name:ident) => {
        #[doc = $first]
        /// ```
        /// let one = 1;
        /// ```
        pub fn $name() {}
    };
}
RUST
cat >"$folder/src/lib.rs" <<'RUST'
#[macro_use] mod documented; documented!("By a macro.", passes);
/// ```compile_fail
/// let one: u8 = "one";
/// ```
pub fn fails() {}
RUST
cd "$folder"
rustdoc --version
words=$(cargo test --quiet --doc -- --format=pretty 2>&1 | grep "^test src" | sort)
echo "$words"
[ "$(grep -c "^test src/lib.rs - .* (line 2)" <<<"$words")" -eq 2 ]
grep -q "^test src/lib.rs - passes (line 2) \.\.\. ok" <<<"$words"
# Seen:
#   rustdoc 1.95.0 (59807616e 2026-04-14)
#   test src/lib.rs - fails (line 2) - compile fail ... ok
#   test src/lib.rs - passes (line 2) ... ok
