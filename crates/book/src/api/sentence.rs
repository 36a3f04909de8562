//! The first sentence of a documentation comment, as it reads without rustdoc.

/// The documentation of these attributes, line by line.
fn lines(attributes: &[syn::Attribute]) -> Vec<String> {
    let text = |attribute: &syn::Attribute| match &attribute.meta {
        syn::Meta::NameValue(syn::MetaNameValue {
            path,
            value: syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }),
            ..
        }) if path.is_ident("doc") => Some(text.value()),
        _ => None,
    };
    attributes.iter().filter_map(text).collect()
}

/// The first sentence that these attributes document something with.
pub(super) fn first(attributes: &[syn::Attribute]) -> String {
    let lines = lines(attributes);
    let lines = lines.iter().map(|line| line.trim());
    let lines = lines.skip_while(|line| line.is_empty());
    let paragraph: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
    cut(&without_links(&paragraph.join(" ")))
}

/// What stands before the end of the first sentence, with its full stop.
fn cut(text: &str) -> String {
    let mut in_code = false;
    for (at, letter) in text.char_indices() {
        in_code ^= letter == '`';
        if letter == '.' && !in_code && text[at + 1..].starts_with(' ') {
            return text[..=at].to_owned();
        }
    }
    match text.chars().last() {
        Some('.' | '!' | '?') | None => text.to_owned(),
        Some(_) => format!("{}.", text.trim_end_matches(':')),
    }
}

/// The text with each link by its words alone: only rustdoc knows where the links lead.
fn without_links(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['[', '`']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let (words, after) = match rest.strip_prefix('[') {
            Some(inside) => match inside.split_once(']') {
                Some((words, after)) => (words, target(after)),
                None => ("[", inside),
            },
            None => rest.split_at(rest[1..].find('`').map_or(rest.len(), |end| end + 2)),
        };
        out.push_str(words);
        rest = after;
    }
    out + rest
}

/// What follows the target of a link, if that is what stands here.
fn target(text: &str) -> &str {
    text.strip_prefix('(').and_then(|text| text.split_once(')')).map_or(text, |(_, after)| after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_their_words() {
        assert_eq!(
            without_links("A [`Guard`] that [locks](Unlocked::lock) `[u8; 4]`, (so)."),
            "A `Guard` that locks `[u8; 4]`, (so)."
        );
    }

    #[test]
    fn a_sentence_ends_at_its_full_stop() {
        assert_eq!(cut("QEMU's `misc.h. ` is 3.5 long. More."), "QEMU's `misc.h. ` is 3.5 long.");
        assert_eq!(cut("As follows:"), "As follows.");
    }
}
