//! XBZRLE: a page as its difference from the page that was sent before.
//!
//! A difference is runs of bytes that are equal and bytes that are new, in turn: the two lengths as
//! uleb128, then the new bytes. Equal bytes at the end are left out. QEMU: `xbzrle_decode_buffer`
//! (`migration/xbzrle.c`), `uleb128_decode_small` (`util/cutils.c`).

/// An error of [`apply`]: the difference is not one of a page of this size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a difference that is wrong at its byte {at}")]
pub struct XbzrleError {
    /// Offset in the difference.
    pub at: usize,
}

/// Changes `page`, the one that was sent before, into the page that `delta` encodes.
///
/// # Errors
///
/// If `delta` does not fit. The page may have changed up to there.
pub fn apply(page: &mut [u8], delta: &[u8]) -> Result<(), XbzrleError> {
    let mut at = 0;
    let mut to = 0;
    while at < delta.len() {
        let start = at;
        let wrong = XbzrleError { at: start };
        let equal = length(delta, &mut at).ok_or(wrong)?;
        // Only the first run may be empty: two runs of one kind in a row are one.
        if equal == 0 && start != 0 {
            return Err(wrong);
        }
        to += equal;
        let start = at;
        let wrong = XbzrleError { at: start };
        let new = length(delta, &mut at).ok_or(wrong)?;
        if new == 0 {
            return Err(wrong);
        }
        let from = delta.get(at..at + new).ok_or(wrong)?;
        page.get_mut(to..to + new).ok_or(wrong)?.copy_from_slice(from);
        at += new;
        to += new;
    }
    Ok(())
}

/// Reads a length of at most 14 bits in one or two bytes.
fn length(delta: &[u8], at: &mut usize) -> Option<usize> {
    let low = usize::from(*delta.get(*at)?);
    *at += 1;
    if low < 0x80 {
        return Some(low);
    }
    let high = usize::from(*delta.get(*at)?);
    *at += 1;
    (high < 0x80).then_some(low & 0x7f | high << 7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_changes_the_bytes_that_it_names() {
        let mut page = [0; 300];
        let delta = [&[0, 1, b'a', 0x81, 0x01, 2, b'b', b'c'][..], &[1, 1, b'd']].concat();
        apply(&mut page, &delta).unwrap();
        let mut expected = [0; 300];
        (expected[0], expected[130], expected[131], expected[133]) = (b'a', b'b', b'c', b'd');
        assert_eq!(page, expected);
        apply(&mut page, &[]).unwrap();
        assert_eq!(page, expected);
    }

    #[test]
    fn a_difference_that_no_page_has_is_refused_where_it_is_wrong() {
        for (delta, at) in [
            (&[0][..], 1),
            (&[0, 0], 1),
            (&[0, 1, b'a', 0, 1, b'b'], 3),
            (&[0, 2, b'a'], 1),
            (&[16, 1, b'a'], 1),
            (&[0x80], 0),
            (&[0x80, 0x80], 0),
            (&[15, 2, b'a', b'b'], 1),
        ] {
            assert_eq!(apply(&mut [0; 16], delta), Err(XbzrleError { at }), "{delta:?}");
        }
    }

    #[test]
    fn no_three_bytes_do_harm() {
        for bytes in (0..1_u32 << 24).step_by(7) {
            let _ = apply(&mut [0; 8], &bytes.to_be_bytes()[1..]);
        }
    }
}
