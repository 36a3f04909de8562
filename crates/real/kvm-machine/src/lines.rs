//! The lines on the serial port, computed again.

use machine::{Ram, Workload};

use crate::share::Share;

/// Bytes of a line: two numbers of 16 digits, a space and a newline.
const LINE: usize = 34;

/// A line that is not what the guest has to print.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the serial port is {found:?}{}", must_be(.expected))]
pub struct LineMismatch {
    /// Number of the line, from 1.
    pub line: usize,
    /// What was printed.
    pub found: String,
    /// What must have been printed, if the line has a count that can be computed from.
    pub expected: Option<String>,
}

fn must_be(expected: &Option<String>) -> String {
    expected.as_ref().map(|line| format!(" and must be {line:?}")).unwrap_or_default()
}

/// Compares what a guest with this memory has printed, from its start on, with what it must have
/// printed: lines `count sum`, where `sum` is that of the first `count` values that the first vCPU
/// wrote. It has done `writes` writes since. The last line may be cut. Returns the number of whole
/// lines.
///
/// # Errors
///
/// If a line differs. The error has the first.
pub fn verify_lines(
    ram: &Ram,
    vcpus: usize,
    seed: u64,
    writes: u64,
    printed: &[u8],
) -> Result<usize, LineMismatch> {
    let workload = Share::of(ram, vcpus, 0).workload(seed);
    let mut expected = Expected { workload, count: 0, sum: 0 };
    let mut lines = 0;
    for line in printed.chunks(LINE) {
        let found = || String::from_utf8_lossy(line).into_owned();
        let mismatch = |expected| LineMismatch { line: lines + 1, found: found(), expected };
        let digits = std::str::from_utf8(line).ok().and_then(|line| line.get(..16));
        let count = match digits {
            // A cut line without its count shows nothing.
            None if line.len() < 16 && line.is_ascii() => return Ok(lines),
            None => return Err(mismatch(None)),
            Some(digits) => u64::from_str_radix(digits, 16).map_err(|_| mismatch(None))?,
        };
        if count < expected.count || count > writes {
            return Err(mismatch(None));
        }
        let must = expected.line(count);
        if !must.as_bytes().starts_with(line) {
            return Err(mismatch(Some(must)));
        }
        lines += usize::from(line.len() == LINE);
    }
    Ok(lines)
}

/// The sum of the values of the first `count` writes.
struct Expected {
    workload: Workload,
    count: u64,
    sum: u64,
}

impl Expected {
    /// Returns the line after `count` writes, which are not fewer than before.
    fn line(&mut self, count: u64) -> String {
        while self.count < count {
            self.sum = self.sum.wrapping_add(self.workload.write(self.count).new);
            self.count += 1;
        }
        format!("{:016x} {:016x}\n", self.count, self.sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_that_is_lost_doubled_or_wrong_is_found() {
        let ram = Ram::anonymous(8 << 12).expect("memory");
        let workload = Share::of(&ram, 2, 0).workload(3);
        let mut expected = Expected { workload, count: 0, sum: 0 };
        let text: String = [0, 5, 5, 900].into_iter().map(|count| expected.line(count)).collect();
        let verify = |text: &[u8]| verify_lines(&ram, 2, 3, 900, text);
        assert_eq!(verify(text.as_bytes()), Ok(4));
        for cut in 0..text.len() {
            assert_eq!(verify(&text.as_bytes()[..cut]), Ok(cut / LINE), "cut at {cut}");
        }
        for at in 0..text.len() - 1 {
            let bytes = text.as_bytes();
            let lost = [&bytes[..at], &bytes[at + 1..]].concat();
            let doubled = [&bytes[..=at], &bytes[at..]].concat();
            // A digit that equals its neighbours is missed at the end of its run, not later.
            for wrong in [lost, doubled] {
                assert!(verify(&wrong).is_err(), "at {at}: {:?}", String::from_utf8_lossy(&wrong));
            }
        }
        let beyond = verify_lines(&ram, 2, 3, 899, text.as_bytes());
        assert_eq!(beyond.expect_err("it has not done so many").line, 4);
    }
}
