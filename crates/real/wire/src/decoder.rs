//! The reading end: a buffer over any [`Read`] that hands out integers and borrowed bytes, and
//! tracks its offset in the stream.
//!
//! It is the counterpart of the input half of `migration/qemu-file.c`. Pages go through
//! [`Decoder::take`], which returns a slice of the buffer and copies nothing. The decoder calls the
//! reader only if the buffer has less than what is needed now. Then it offers all the free space,
//! and the reader may fill less. So a stream that pauses between records (a return path, a live
//! migration) never blocks a decoder that has a whole record.

use std::io::{self, Read};

use crate::{DecodeError, Uuid};

/// Default buffer size of a [`Decoder`], in bytes, and so the most that [`Decoder::take`] can
/// return at once.
pub const CAPACITY: usize = 1 << 20;

/// Reads the pieces of a stream from `R`.
///
/// # Invariants
/// `start <= end <= buffer.len()`; `buffer[start..end]` has been read and not yet
/// consumed.
pub struct Decoder<R> {
    reader: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    offset: u64,
    reads_ahead: bool,
    /// Context for errors; empty outside any section.
    section: String,
}

impl<R: Read> Decoder<R> {
    /// Creates a decoder at byte 0 of the stream that `reader` gives.
    pub fn new(reader: R) -> Self {
        Self::with_capacity(reader, CAPACITY)
    }

    /// Creates a decoder with a buffer of `capacity` bytes.
    ///
    /// If each piece of the stream is exactly `capacity` bytes long, the decoder can read one piece
    /// and leave the bytes after it to the reader's next user: start with an empty buffer, wait for
    /// the whole piece, then take it. Taking a part before the rest has arrived breaks this,
    /// because it empties the buffer, which then fills up again.
    pub fn with_capacity(reader: R, capacity: usize) -> Self {
        Decoder {
            reader,
            buffer: vec![0; capacity].into_boxed_slice(),
            start: 0,
            end: 0,
            offset: 0,
            reads_ahead: true,
            section: String::new(),
        }
    }

    /// Requests no more from the reader than is needed now, so that the bytes after a piece are
    /// left to the reader's next user.
    pub fn without_reading_ahead(self) -> Self {
        Decoder { reads_ahead: false, ..self }
    }

    /// Counts offsets from `offset` on, because the bytes before were read elsewhere.
    pub fn starting_at(self, offset: u64) -> Self {
        Decoder { offset, ..self }
    }

    /// Returns the number of bytes consumed so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the reader. It is ahead of [`Decoder::offset`] by the buffered bytes.
    pub fn get_ref(&self) -> &R {
        &self.reader
    }

    /// Returns the reader, to change its settings. The decoder loses bytes that are read from it
    /// here.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.reader
    }

    /// Returns the reader and drops the buffered bytes.
    pub fn into_inner(self) -> R {
        self.reader
    }

    /// Sets the section that later errors name, for instance [`crate::SectionHeader::label`].
    /// Reuses the memory of the text. [`crate::Record`] sets it as far as it can, and clears it at
    /// the next record.
    pub fn set_section(&mut self, label: Option<&str>) {
        self.section.clear();
        self.section.push_str(label.unwrap_or_default());
    }

    /// Consumes one byte.
    ///
    /// # Errors
    /// If the stream ends or the reader fails, as in all methods below.
    pub fn u8(&mut self, expected: &'static str) -> Result<u8, DecodeError> {
        self.array(expected).map(u8::from_be_bytes)
    }

    /// Consumes a 16-bit integer.
    ///
    /// # Errors
    /// As [`Decoder::u8`].
    pub fn be16(&mut self, expected: &'static str) -> Result<u16, DecodeError> {
        self.array(expected).map(u16::from_be_bytes)
    }

    /// Consumes a 32-bit integer.
    ///
    /// # Errors
    /// As [`Decoder::u8`].
    pub fn be32(&mut self, expected: &'static str) -> Result<u32, DecodeError> {
        self.array(expected).map(u32::from_be_bytes)
    }

    /// Consumes a 64-bit integer.
    ///
    /// # Errors
    /// As [`Decoder::u8`].
    pub fn be64(&mut self, expected: &'static str) -> Result<u64, DecodeError> {
        self.array(expected).map(u64::from_be_bytes)
    }

    /// Consumes a UUID.
    ///
    /// # Errors
    /// As [`Decoder::u8`].
    pub fn uuid(&mut self, expected: &'static str) -> Result<Uuid, DecodeError> {
        self.array(expected).map(Uuid::from_bytes)
    }

    fn array<const N: usize>(&mut self, expected: &'static str) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, expected)?);
        Ok(array)
    }

    /// Consumes `n` bytes and returns them as a slice of the buffer.
    ///
    /// # Errors
    /// As [`Decoder::u8`], and if `n` is more than the buffer holds ([`CAPACITY`]). Nothing is
    /// consumed then.
    pub fn take(&mut self, n: usize, expected: &'static str) -> Result<&[u8], DecodeError> {
        if self.end - self.start < n {
            self.require(n, expected)?;
        }
        let taken = &self.buffer[self.start..self.start + n];
        self.start += n;
        self.offset += n as u64;
        Ok(taken)
    }

    /// Consumes `len` bytes into memory that grows only as bytes arrive.
    ///
    /// # Errors
    /// As [`Decoder::u8`], and if `len` is more than `max`.
    pub fn bytes(
        &mut self,
        len: usize,
        max: usize,
        expected: &'static str,
    ) -> Result<Vec<u8>, DecodeError> {
        if len > max {
            return Err(
                self.error(format!("{expected} of at most {max} bytes"), format!("{len} bytes"))
            );
        }
        let mut bytes = Vec::new();
        while bytes.len() < len {
            let piece = (len - bytes.len()).min(self.buffer.len());
            bytes.extend_from_slice(self.take(piece, expected)?);
        }
        Ok(bytes)
    }

    /// Consumes `n` bytes and discards them.
    ///
    /// # Errors
    /// As [`Decoder::u8`].
    pub fn skip(&mut self, n: u64, expected: &'static str) -> Result<(), DecodeError> {
        let mut left = n;
        while left > 0 {
            let piece = left.min(self.buffer.len() as u64);
            self.take(piece as usize, expected)?;
            left -= piece;
        }
        Ok(())
    }

    /// Waits for the next byte and returns it without consuming it; `None` at the end of the
    /// stream.
    ///
    /// # Errors
    /// If the reader fails.
    pub fn peek_u8(&mut self) -> Result<Option<u8>, DecodeError> {
        Ok(self.peek(1)?.first().copied())
    }

    /// Waits for the next `n` bytes, at most a full buffer, and returns them without consuming
    /// them; fewer at the end of the stream.
    pub(crate) fn peek(&mut self, n: usize) -> Result<&[u8], DecodeError> {
        if let Err(source) = self.pull(n) {
            return Err(self.reader_error("more of the stream", source));
        }
        let n = n.min(self.end - self.start);
        Ok(&self.buffer[self.start..self.start + n])
    }

    /// Returns the number of bytes that are buffered and not consumed.
    pub fn buffered(&self) -> usize {
        self.end - self.start
    }

    /// Calls `read` to read the next bytes straight to their destination, past the buffer. Returns
    /// how many bytes it read, 0 at the end of the stream, and counts them as consumed.
    ///
    /// # Errors
    ///
    /// If the reader fails.
    ///
    /// # Panics
    ///
    /// If bytes are buffered, since those come first.
    pub fn read_past_buffer(
        &mut self,
        expected: &'static str,
        read: impl FnOnce(&mut R) -> io::Result<usize>,
    ) -> Result<usize, DecodeError> {
        assert_eq!(self.buffered(), 0, "buffered bytes come before those of the reader");
        match read(&mut self.reader) {
            Ok(n) => {
                self.offset += n as u64;
                Ok(n)
            }
            Err(source) => Err(self.reader_error(expected, source)),
        }
    }

    /// Returns the size of the buffer: the most that [`Decoder::take`] can return at once.
    pub fn capacity(&self) -> usize {
        self.buffer.len()
    }

    /// Makes an error for a check of the caller, at the current offset.
    pub fn error(&self, expected: impl Into<String>, found: impl Into<String>) -> DecodeError {
        self.error_at(self.offset, expected, found)
    }

    /// Makes an error for a check of the caller, at `offset`.
    pub fn error_at(
        &self,
        offset: u64,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> DecodeError {
        DecodeError {
            offset,
            section: (!self.section.is_empty()).then(|| self.section.clone()),
            expected: expected.into(),
            found: found.into(),
            end_of_stream: false,
            source: None,
        }
    }

    fn reader_error(&self, expected: &str, source: io::Error) -> DecodeError {
        DecodeError { source: Some(source), ..self.error(expected, "an error of the reader") }
    }

    /// Makes `n` bytes available to [`Decoder::take`].
    #[cold]
    fn require(&mut self, n: usize, expected: &'static str) -> Result<(), DecodeError> {
        let capacity = self.buffer.len();
        if n > capacity {
            return Err(
                self.error(format!("{expected} of at most {capacity} bytes"), format!("{n} bytes"))
            );
        }
        if let Err(source) = self.pull(n) {
            return Err(self.reader_error(expected, source));
        }
        let have = self.end - self.start;
        if have < n {
            let error = self.error(expected, format!("end of stream after {have} of {n} bytes"));
            return Err(DecodeError { end_of_stream: true, ..error });
        }
        Ok(())
    }

    /// Reads until `n` bytes, at most a full buffer, are buffered or the stream ends. Moves the
    /// buffered bytes only if the space behind them is too small.
    fn pull(&mut self, n: usize) -> io::Result<()> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.start + n > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        while self.end - self.start < n {
            let room = if self.reads_ahead { self.buffer.len() } else { self.start + n };
            match self.reader.read(&mut self.buffer[self.end..room]) {
                Ok(0) => break,
                // A reader may wrongly claim more than its slice holds; the invariant still holds.
                Ok(read) => self.end = self.end.saturating_add(read).min(room),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that gives one part a read, and panics after the last.
    struct Parts(Vec<Vec<u8>>);

    impl Read for Parts {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let part = self.0.remove(0);
            buf[..part.len()].copy_from_slice(&part);
            Ok(part.len())
        }
    }

    #[test]
    fn take_never_asks_the_reader_once_it_has_enough() {
        let mut input = Decoder::new(Parts(vec![vec![1; 100], vec![2; 10]]));
        assert_eq!(input.take(60, "head").unwrap(), [1; 60]);
        assert_eq!(input.take(40, "rest of the part").unwrap(), [1; 40]);
        assert_eq!(input.get_ref().0.len(), 1);
        assert_eq!(input.take(10, "next part").unwrap(), [2; 10]);
        assert!(input.take(0, "nothing").unwrap().is_empty());
        assert_eq!(input.offset(), 110);
    }

    #[test]
    fn without_reading_ahead_what_follows_a_piece_is_left_to_the_reader() {
        let bytes: Vec<u8> = (0..20).collect();
        let mut input = Decoder::with_capacity(bytes.as_slice(), 8).without_reading_ahead();
        for (taken, left) in [(3, 17), (8, 9), (1, 8)] {
            input.take(taken, "piece").unwrap();
            assert_eq!(input.get_ref().len(), left);
            assert_eq!(input.buffered(), 0);
        }
        assert_eq!(input.u8("next").unwrap(), 12);
    }

    #[test]
    fn one_read_takes_all_that_is_there_and_bytes_survive_the_wrap() {
        let bytes: Vec<u8> = (0..3 * CAPACITY).map(|i| (i / 7) as u8).collect();
        let mut input = Decoder::new(bytes.as_slice());
        for piece in bytes.chunks(4104) {
            assert_eq!(input.take(piece.len(), "piece").unwrap(), piece);
        }
        assert_eq!(input.peek_u8().unwrap(), None);
        let mut input = Decoder::new(bytes.as_slice());
        input.u8("first").unwrap();
        assert_eq!(input.get_ref().len(), 2 * CAPACITY);
        assert_eq!(input.take(CAPACITY, "all at once").unwrap(), &bytes[1..=CAPACITY]);
    }

    #[test]
    fn the_end_of_the_stream_and_errors_of_the_reader_are_told_apart() {
        let mut input = Decoder::new(&[1, 2, 3][..]);
        let error = input.be32("answer").unwrap_err();
        assert_eq!(
            error.to_string(),
            "at byte 0: expected answer, found end of stream after 3 of 4 bytes"
        );
        assert!(error.is_end_of_stream() && error.io_error().is_none());
        assert_eq!(input.be16("what is left").unwrap(), 0x0102);

        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
        let mut input = Decoder::new(Broken);
        input.set_section(Some("section \"ram\" (id 2)"));
        let error = input.u8("answer").unwrap_err();
        assert_eq!(
            error.to_string(),
            "at byte 0, in section \"ram\" (id 2): expected answer, found an error of the reader"
        );
        assert_eq!(error.io_error().unwrap().kind(), io::ErrorKind::ConnectionReset);
        assert!(!error.is_end_of_stream() && std::error::Error::source(&error).is_some());
        assert!(input.peek_u8().unwrap_err().io_error().is_some());
    }

    #[test]
    fn an_interrupted_or_boastful_reader_does_no_harm() {
        struct Odd(u32);
        impl Read for Odd {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                self.0 += 1;
                if self.0 == 1 { Err(io::ErrorKind::Interrupted.into()) } else { Ok(usize::MAX) }
            }
        }
        assert_eq!(Decoder::new(Odd(0)).take(CAPACITY, "all").unwrap().len(), CAPACITY);
    }

    #[test]
    fn lengths_beyond_their_bound_are_refused_before_reading() {
        let mut input = Decoder::new(Parts(vec![]));
        assert_eq!(
            input.take(CAPACITY + 1, "lump").unwrap_err().to_string(),
            "at byte 0: expected lump of at most 1048576 bytes, found 1048577 bytes"
        );
        assert_eq!(
            input.bytes(6, 5, "name").unwrap_err().to_string(),
            "at byte 0: expected name of at most 5 bytes, found 6 bytes"
        );
    }

    #[test]
    fn what_is_read_past_the_buffer_counts() {
        let mut input = Decoder::new(Parts(vec![vec![1; 4], vec![2; 6], vec![]]));
        input.be32("head").unwrap();
        let mut place = [0; 8];
        let read = |reader: &mut Parts, place: &mut [u8]| reader.read(place);
        assert_eq!(input.read_past_buffer("body", |reader| read(reader, &mut place)).unwrap(), 6);
        assert_eq!((place, input.offset()), ([2, 2, 2, 2, 2, 2, 0, 0], 10));
        assert_eq!(input.read_past_buffer("tail", |reader| read(reader, &mut place)).unwrap(), 0);
    }

    #[test]
    fn bytes_and_skip_go_beyond_the_capacity() {
        let bytes = vec![9; 2 * CAPACITY + 10];
        let mut input = Decoder::new(bytes.as_slice());
        assert_eq!(input.bytes(CAPACITY + 5, usize::MAX, "text").unwrap(), bytes[..CAPACITY + 5]);
        input.skip(CAPACITY as u64 + 5, "rest").unwrap();
        assert!(input.skip(1, "more").unwrap_err().is_end_of_stream());
    }
}
