//! The compiler's diagnostics.

use cargo_metadata::diagnostic::{Diagnostic, DiagnosticLevel, DiagnosticSpan};

/// Reads one JSON object a line, and skips other lines.
pub fn read(json_lines: &str) -> Vec<Diagnostic> {
    json_lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The errors among them, without the closing lines of a failed build.
pub fn errors(diagnostics: &[Diagnostic]) -> impl Iterator<Item = &Diagnostic> {
    diagnostics.iter().filter(|one| {
        matches!(one.level, DiagnosticLevel::Error | DiagnosticLevel::Ice)
            && !one.message.starts_with("aborting due to")
            && !one.message.starts_with("could not compile")
    })
}

/// The code, as `E0502` or a lint's name.
pub fn code(diagnostic: &Diagnostic) -> Option<&str> {
    diagnostic.code.as_ref().map(|code| code.code.as_str())
}

/// Where the compiler points first.
pub fn primary(diagnostic: &Diagnostic) -> Option<&DiagnosticSpan> {
    diagnostic.spans.iter().find(|span| span.is_primary)
}
