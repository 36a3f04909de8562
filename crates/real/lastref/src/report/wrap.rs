//! Wrapping of texts into lines.

use super::picture::width_of;

/// Makes a text that stays on one line, such as a number with its unit.
pub(super) fn unbroken(text: &str) -> String {
    text.replace(' ', "\u{a0}")
}

/// Breaks a text at its spaces into lines no wider than `room`; one long word may be wider.
pub(super) fn lines(text: &str, room: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if width_of(line) + width_of(" ") + width_of(word) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_stays_with_its_unit() {
        let text = format!("goes on, {} later", unbroken("4.1 ms"));
        assert_eq!(lines(&text, width_of("goes on, 4.1")), ["goes on,", "4.1\u{a0}ms later"]);
        assert_eq!(lines(&text, width_of(&text)), [text]);
    }

    #[test]
    fn a_word_that_is_too_long_is_not_cut() {
        assert_eq!(lines("by mig/src/send_0", 20.0), ["by", "mig/src/send_0"]);
    }
}
