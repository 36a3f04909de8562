//! SIZE and RATE on the command line: a number with K, M, G or T, powers of 1024.

use std::fmt;
use std::str::FromStr;

use migration::PAGE_WORDS;

/// Bytes of a page.
pub(crate) const PAGE: u64 = (PAGE_WORDS * size_of::<u64>()) as u64;

/// A number of bytes, or of bytes per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

/// An error of parsing a SIZE.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SizeError {
    #[error("expected a number, optionally followed by K, M, G or T, for example 512M")]
    Form,
    #[error("the number does not fit into 64 bits")]
    TooLarge,
}

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let (number, shift) = match text.as_bytes().last() {
            Some(b'K' | b'k') => (&text[..text.len() - 1], 10),
            Some(b'M' | b'm') => (&text[..text.len() - 1], 20),
            Some(b'G' | b'g') => (&text[..text.len() - 1], 30),
            Some(b'T' | b't') => (&text[..text.len() - 1], 40),
            _ => (text, 0),
        };
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(SizeError::Form);
        }
        let number: u64 = number.parse().map_err(|_| SizeError::TooLarge)?;
        number.checked_mul(1 << shift).map(Size).ok_or(SizeError::TooLarge)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        indicatif::BinaryBytes(self.0).fmt(f)
    }
}

/// Parses a number of bytes that is a positive multiple of the page size.
pub(crate) fn memory(text: &str) -> Result<usize, String> {
    let Size(bytes) = text.parse().map_err(|error: SizeError| error.to_string())?;
    if bytes == 0 || !bytes.is_multiple_of(PAGE) {
        return Err(format!("expected a positive multiple of {PAGE} bytes"));
    }
    usize::try_from(bytes)
        .ok()
        .filter(|bytes| isize::try_from(*bytes).is_ok())
        .ok_or_else(|| SizeError::TooLarge.to_string())
}

/// Parses the offset of a page: a multiple of the page size.
pub(crate) fn page_offset(text: &str) -> Result<u64, String> {
    let Size(bytes) = text.parse().map_err(|error: SizeError| error.to_string())?;
    match bytes.is_multiple_of(PAGE) {
        true => Ok(bytes),
        false => Err(format!("expected a multiple of {PAGE} bytes")),
    }
}

/// Parses a number of bytes per second.
pub(crate) fn rate(text: &str) -> Result<u64, SizeError> {
    text.parse().map(|Size(rate)| rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, bytes) in [
            ("0", 0),
            ("17", 17),
            ("4K", 4096),
            ("512M", 512 << 20),
            ("2g", 2 << 30),
            ("1T", 1 << 40),
        ] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "K", "1KB", "-1", "1.5G", " 1", "0x10", "é", "1é"] {
            assert_eq!(text.parse::<Size>(), Err(SizeError::Form), "{text}");
        }
        for text in ["18446744073709551616", "16777216T"] {
            assert_eq!(text.parse::<Size>(), Err(SizeError::TooLarge), "{text}");
        }
        assert!(memory("0").is_err());
        assert!(memory("4095").is_err());
        assert!(memory("9T").is_ok());
        assert!(memory("8388608T").is_err());
    }
}
