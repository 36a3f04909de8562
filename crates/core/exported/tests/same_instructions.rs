//! A read with a token costs what the raw read costs: it compiles to the same instructions.
//!
//! A program of its own: its tests wait for a build, and nobody else has to.
//!
//! A time cannot show that, since a read takes about as long as one turn of the loop that
//! would measure it. So the functions of `examples/reads.rs` are built optimised and their
//! assembly is compared: instruction by instruction, with the names of the globals and labels
//! replaced by numbers. That the comparison can fail is shown with reads that differ.
//!
//! The assembly of one architecture is read here. Elsewhere a line on standard error says that
//! nothing was compared.
#![cfg(not(loom))]

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod x86_64_linux {
    use std::collections::HashMap;
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::process::Command;
    use std::sync::OnceLock;

    /// Builds the example as a user's program is built, and returns the folder of the build.
    ///
    /// The folder is not the one of the tests' own build, which is locked by who runs them.
    fn build() -> &'static Path {
        static FOLDER: OnceLock<PathBuf> = OnceLock::new();
        FOLDER.get_or_init(|| {
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("same-instructions");
            let mut cargo = Command::new(env!("CARGO"));
            cargo
                .args(["rustc", "--release", "--locked", "--offline", "--example", "reads"])
                .arg("--manifest-path")
                .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
                .arg("--target-dir")
                .arg(&folder)
                // One unit, so that there is one file.
                .args(["--", "-Ccodegen-units=1", "--emit"])
                .arg(format!("asm={}", folder.join("reads.s").display()))
                // Flags of the tests' own build, such as those that count coverage.
                .env_remove("RUSTFLAGS")
                .env_remove("CARGO_ENCODED_RUSTFLAGS")
                .env_remove("CARGO_BUILD_TARGET");
            let output = cargo.output().expect("cargo runs");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{cargo:?}: {}\n{said}", output.status);
            folder
        })
    }

    /// The instructions of a function of the example.
    fn instructions(function: &str) -> Vec<String> {
        let file = build().join("reads.s");
        let assembly =
            fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let body = body(&assembly, function);
        assert!(
            body.iter().any(|line| line.starts_with("ret")),
            "{function} is not a function that returns: {body:?}"
        );
        body
    }

    /// The lines of a function that are instructions, or labels that one of them names.
    fn body(assembly: &str, function: &str) -> Vec<String> {
        let begin = format!("{function}:");
        let lines = assembly
            .lines()
            .map(|line| line.split('#').next().unwrap_or_default().trim())
            .skip_while(|line| *line != begin)
            .skip(1)
            .take_while(|line| !line.starts_with(".Lfunc_end"));
        let (labels, code): (Vec<_>, Vec<_>) = lines
            // What is left after this of the lines that begin with a dot are labels.
            .filter(|line| !line.is_empty() && (line.ends_with(':') || !line.starts_with('.')))
            .enumerate()
            .partition(|(_, line)| line.ends_with(':'));
        let named = |label: &str| code.iter().any(|(_, line)| names(line).any(|it| it == label));
        let mut lines = code.clone();
        lines.extend(labels.into_iter().filter(|(_, line)| named(line.trim_end_matches(':'))));
        lines.sort_by_key(|(at, _)| *at);

        let mut numbers = HashMap::new();
        lines.into_iter().map(|(_, line)| with_numbers(line, &mut numbers)).collect()
    }

    /// A line in pieces, and of each whether it is the name of a global or a label. No names are
    /// the mnemonic, registers (`%rax`), numbers and relocations (`@GOTPCREL`).
    fn pieces(line: &str) -> Vec<(&str, bool)> {
        let in_word = |c: char| c.is_ascii_alphanumeric() || "._$%".contains(c);
        let begins_name = |c: char| c.is_ascii_alphabetic() || c == '_' || c == '.';
        let operands = match line.find(char::is_whitespace) {
            Some(end_of_mnemonic) => end_of_mnemonic,
            None if line.ends_with(':') => 0,
            None => line.len(),
        };
        let (mnemonic, mut rest) = line.split_at(operands);
        let mut pieces = vec![(mnemonic, false)];
        while let Some(first) = rest.chars().next() {
            let end = rest.find(|c| in_word(c) != in_word(first)).unwrap_or(rest.len());
            let (piece, after) = rest.split_at(end);
            let relocation = pieces.last().is_some_and(|(before, _)| before.ends_with('@'));
            pieces.push((piece, begins_name(first) && !relocation));
            rest = after;
        }
        pieces
    }

    fn names(line: &str) -> impl Iterator<Item = &str> {
        pieces(line).into_iter().filter(|(_, is_name)| *is_name).map(|(name, _)| name)
    }

    /// The line with each name replaced by the number of its first use in the function.
    fn with_numbers<'a>(line: &'a str, numbers: &mut HashMap<&'a str, usize>) -> String {
        let number = |(piece, is_name): (&'a str, bool)| {
            if !is_name {
                return piece.to_owned();
            }
            let next = numbers.len();
            format!("<{}>", numbers.entry(piece).or_insert(next))
        };
        pieces(line).into_iter().map(number).collect()
    }

    #[test]
    fn a_read_of_the_export_is_the_read_of_a_raw_pointer() {
        assert_eq!(instructions("read_exported"), instructions("read_raw_pointer"));
    }

    #[test]
    fn a_use_of_guarded_data_is_the_use_of_a_raw_global() {
        assert_eq!(instructions("read_guarded"), instructions("read_raw_number"));
        assert_eq!(instructions("write_guarded"), instructions("write_raw_number"));
    }

    #[test]
    fn a_part_of_a_split_guard_costs_nothing_either() {
        for (part, raw) in [
            ("read_exported_with_a_part", "read_raw_pointer"),
            ("read_guarded_with_a_part", "read_raw_number"),
            ("write_guarded_with_a_part", "write_raw_number"),
        ] {
            assert_eq!(instructions(part), instructions(raw), "{part}");
        }
    }

    #[test]
    fn a_check_at_run_time_is_seen() {
        assert_ne!(instructions("read_checked_pointer"), instructions("read_raw_pointer"));
        assert_ne!(instructions("read_checked_number"), instructions("read_raw_number"));
    }

    #[test]
    fn another_field_is_seen() {
        let (one, other) = (instructions("read_exported"), instructions("read_other_field"));
        assert_eq!(one.len(), other.len());
        assert_ne!(one, other);
    }

    #[test]
    fn the_functions_read_what_they_say() {
        let program = build().join("release/examples/reads");
        let output = Command::new(&program)
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    #[test]
    fn names_do_not_count_and_what_they_stand_for_does() {
        let read = |global: &str, label: &str| {
            let text = format!(
                "f:\n.Lfunc_begin1:\n\t.cfi_startproc\n\tmovq\t{global}@GOTPCREL(%rip), %rax\n\
                 .Ltmp7:\n\tje\t{label} # comment\n\tmovq\t8(%rax), %rdx\n{label}:\n\
                 \tmovq\tA(%rip), %rcx\n\tretq\n.Lfunc_end1:\n\tnop\n"
            );
            body(&text, "f")
        };
        assert_eq!(
            read("B", ".LBB1_2"),
            [
                "movq\t<0>@GOTPCREL(%rip), %rax",
                "je\t<1>",
                "movq\t8(%rax), %rdx",
                "<1>:",
                "movq\t<2>(%rip), %rcx",
                "retq"
            ]
        );
        assert_eq!(read("B", ".LBB1_2"), read("C", ".LBB2_9"));
        assert_ne!(read("B", ".LBB1_2"), read("A", ".LBB1_2"), "the same global twice");
    }
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
#[test]
fn skipped_because_only_the_assembly_of_x86_64_linux_is_read() {
    use std::io::Write as _;
    // Past the test runner, which keeps what a test that passes prints.
    let _ = writeln!(
        std::io::stderr(),
        "same_instructions: skipped, because only the assembly of x86_64 Linux is read"
    );
}
