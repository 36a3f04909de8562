//! What rustc says with `--error-format=json`.

use cargo_metadata::diagnostic::DiagnosticLevel;
pub use cargo_metadata::diagnostic::{Diagnostic, DiagnosticSpan};

/// How the errors begin that only count others. The notes after them are of another level.
const CLOSING: [&str; 2] = ["aborting due to ", "could not compile "];

/// Reads the diagnostics of `json_lines`, one JSON object a line, and skips every other line.
pub fn read(json_lines: &str) -> Vec<Diagnostic> {
    json_lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Returns the errors among `diagnostics`, also those of the compiler itself, and no closing line.
pub fn errors(diagnostics: &[Diagnostic]) -> impl Iterator<Item = &Diagnostic> {
    diagnostics.iter().filter(|one| {
        let closes = || CLOSING.iter().any(|closing| one.message.starts_with(closing));
        matches!(one.level, DiagnosticLevel::Error | DiagnosticLevel::Ice)
            && !(one.spans.is_empty() && closes())
    })
}

/// Returns the diagnostic's code: `E0502`, or the lint's name.
pub fn code(diagnostic: &Diagnostic) -> Option<&str> {
    diagnostic.code.as_ref().map(|code| code.code.as_str())
}

/// Returns the place that the compiler points at. Inside a macro of another file that is the call,
/// as in what the compiler prints for people.
pub fn primary(diagnostic: &Diagnostic) -> Option<&DiagnosticSpan> {
    let span = diagnostic.spans.iter().find(|span| span.is_primary)?;
    let mut call = span;
    while let Some(expansion) = &call.expansion {
        call = &expansion.span;
    }
    Some(if call.file_name == span.file_name { span } else { call })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `assert_eq!(String::new(), 1u8)`, without the explanation and what is printed.
    const IN_A_MACRO: &str = concat!(
        r#"{"$message_type":"diagnostic","message":"can't compare `String` with `u8`","code":{"#,
        r#""code":"E0277","explanation":null},"level":"error","spans":[{"file_name":"#,
        r#""/rustc/5980/library/core/src/macros/mod.rs","byte_start":1464,"byte_end":1466,"#,
        r#""line_start":46,"line_end":46,"column_start":32,"column_end":34,"is_primary":true,"#,
        r#""text":[],"label":"no implementation for `String == u8`","suggested_replacement":null,"#,
        r#""suggestion_applicability":null,"expansion":{"span":{"file_name":"two.rs","#,
        r#""byte_start":35,"byte_end":53,"line_start":7,"line_end":7,"column_start":36,"#,
        r#""column_end":54,"is_primary":false,"text":[],"label":null,"suggested_replacement":null,"#,
        r#""suggestion_applicability":null,"expansion":null},"macro_decl_name":"assert_eq!","#,
        r#""def_site_span":null}}],"children":[],"rendered":null}"#,
    );
    const OF_THE_PARSER: &str = concat!(
        r#"{"$message_type":"diagnostic","message":"expected expression, found `;`","code":null,"#,
        r#""level":"error","spans":[{"file_name":"syn.rs","byte_start":20,"byte_end":21,"#,
        r#""line_start":1,"line_end":1,"column_start":21,"column_end":22,"is_primary":true,"#,
        r#""text":[],"label":"expected expression","suggested_replacement":null,"#,
        r#""suggestion_applicability":null,"expansion":null}],"children":[],"rendered":null}"#,
    );
    const ENDING: &str = concat!(
        r#"{"$message_type":"diagnostic","message":"aborting due to 2 previous errors","code":"#,
        r#"null,"level":"error","spans":[],"children":[],"rendered":null}"#,
        "\n",
        r#"{"$message_type":"diagnostic","message":"For more information about this error, try "#,
        r#"`rustc --explain E0277`.","code":null,"level":"failure-note","spans":[],"#,
        r#""children":[],"rendered":null}"#,
    );

    #[test]
    fn other_lines_are_skipped() {
        let artifact = r#"{"$message_type":"artifact","artifact":"x.rmeta","emit":"metadata"}"#;
        let all = read(&[artifact, "", OF_THE_PARSER, "thread 'rustc' panicked {"].join("\n"));
        let messages: Vec<_> = all.iter().map(|one| one.message.as_str()).collect();
        assert_eq!(messages, ["expected expression, found `;`"]);
    }

    #[test]
    fn closing_lines_are_no_errors() {
        let all = read(&[IN_A_MACRO, OF_THE_PARSER, ENDING].join("\n"));
        assert_eq!(all.len(), 4);
        let codes: Vec<_> = errors(&all).map(code).collect();
        assert_eq!(codes, [Some("E0277"), None]);
        // A program may say the same.
        let words = OF_THE_PARSER.replace("expected expression, found", "aborting due to");
        assert_eq!(errors(&read(&words)).count(), 1);
    }

    #[test]
    fn an_error_in_a_macro_of_another_file_is_where_it_is_called() {
        let all = read(&[IN_A_MACRO, OF_THE_PARSER, ENDING].join("\n"));
        let spans = all.iter().filter_map(primary);
        let places: Vec<_> = spans.map(|span| (&*span.file_name, span.line_start)).collect();
        assert_eq!(places, [("two.rs", 7), ("syn.rs", 1)]);
    }
}
