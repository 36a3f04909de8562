//! Whole streams: a small one with every record, written by hand, and what becomes of it when it is
//! cut, slowed or damaged.

use std::io::Read;

use test_support::stream::Reader;
use wire::ram::{BlockRef, RamRecord};
use wire::{Command, DecodeError, Decoder, Record, TARGET_PAGE_SIZE, Wire};

/// The order of QEMU's precopy for `-M none`, with a few commands, one zero page and one page of
/// 0xa5.
fn sample() -> Vec<u8> {
    [
        &b"QEVM\0\0\0\x03"[..],
        b"\x07\0\0\0\x04none",
        b"\x05\x1aconfiguration/capabilities\0\0\0\x01\0\0\0\x02\x0fx-ignore-shared\x0amapped-ram",
        b"\x05\x12configuration/uuid\0\0\0\x010123456789abcdef",
        b"\x08\0\x01\0\0",
        b"\x08\0\x02\0\x04\0\0\0\x01",
        b"\x08\0\x06\0\x16\0\x03ram\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\0\x20\0",
        b"\x08\0\x0a\0\x04\x03ram",
        b"\x01\0\0\0\x02\x03ram\0\0\0\0\0\0\0\x04",
        b"\0\0\0\0\0\0\x30\x04\x03ram\0\0\0\0\0\0\x20\0\x03rom\0\0\0\0\0\0\x10\0",
        b"\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\0\x10\x7e\0\0\0\x02",
        b"\x02\0\0\0\x02\0\0\0\0\0\0\0\x02\x03ram\0",
        b"\0\0\0\0\0\0\x10\x28",
        &[0xa5; TARGET_PAGE_SIZE],
        b"\0\0\0\0\0\0\0\x10\x7e\0\0\0\x02",
        b"\x08\0\x0b\0\0",
        b"\x03\0\0\0\x02\0\0\0\0\0\0\0\x10\x7e\0\0\0\x02",
        b"\x04\0\0\0\0\x05timer\0\0\0\0\0\0\0\x02",
        b"\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\x7e\0\0\0\0",
        b"\x04\0\0\0\x04\x0bglobalstate\0\0\0\0\0\0\0\x01",
        b"\0\0\0\x08running",
        &[0; 93],
        b"\x7e\0\0\0\x04",
        b"\0",
        b"\x06\0\0\0\x10{\"page_size\": 1}",
    ]
    .concat()
}

/// Reads a stream to its VM description and gives it back as written anew.
fn reencoded<R: Read>(input: &mut Reader<R>) -> Result<Vec<u8>, DecodeError> {
    input.header()?;
    let mut out = input.copy().to_vec();
    loop {
        let record = input.next_record()?;
        out.extend_from_slice(input.copy());
        if let Record::VmDescription(_) = record {
            return Ok(out);
        }
    }
}

/// Gives one byte at a time.
struct Slow<'a>(&'a [u8]);

impl Read for Slow<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let len = buf.len().min(1);
        self.0.read(&mut buf[..len])
    }
}

#[test]
fn a_stream_is_read_to_its_last_byte_and_written_the_same() {
    let sample = sample();
    let mut input = Reader::new(sample.as_slice());
    assert_eq!(reencoded(&mut input).unwrap(), sample);
    assert_eq!(input.input.offset(), sample.len() as u64);
    assert_eq!(input.input.peek_u8().unwrap(), None);
}

#[test]
fn a_reader_of_one_byte_a_time_decodes_the_same() {
    let sample = sample();
    assert_eq!(reencoded(&mut Reader::new(Slow(&sample))).unwrap(), sample);
}

#[test]
fn a_stream_cut_at_any_byte_ends_and_nothing_worse() {
    let sample = sample();
    for len in 0..sample.len() {
        let error =
            reencoded(&mut Reader::new(&sample[..len])).expect_err("a cut stream is no stream");
        assert!(error.is_end_of_stream(), "cut at {len}: {error}");
        assert!(error.offset <= len as u64, "cut at {len}: {error}");
    }
}

#[test]
fn a_record_asks_for_no_byte_after_its_last() {
    struct ThenPanic<'a>(&'a [u8]);
    impl Read for ThenPanic<'_> {
        fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
            assert!(!self.0.is_empty(), "asked for more than the record");
            self.0.read(buf)
        }
    }
    let mut bytes = Vec::new();
    Command::Ping(1).encode(&mut bytes);
    assert_eq!(Command::decode(&mut Decoder::new(ThenPanic(&bytes))).unwrap(), Command::Ping(1));
    let page = b"\0\0\0\0\0\0\x10\x28";
    let mut input = Decoder::new(ThenPanic(page));
    let record = RamRecord::decode(&mut input).unwrap();
    assert!(
        matches!(record, RamRecord::Page { offset, block: BlockRef::Same } if offset.get() == 0x1000)
    );
}

/// Damage of every kind: bytes changed, dropped, doubled. What is still accepted is as long as what
/// it was read from, so nothing was set aside for bytes that never came.
#[test]
fn a_damaged_stream_is_refused_or_read_within_its_own_length() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as usize % below
    };
    let sample = sample();
    let page =
        sample.windows(64).position(|bytes| bytes == [0xa5; 64]).expect("the sample has a page");
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let mut bytes = sample.clone();
        for _ in 0..=random(3) {
            // Few hits inside the page, where every byte is as good as another.
            let at = random(bytes.len() - TARGET_PAGE_SIZE);
            let at = if at < page { at } else { (at + TARGET_PAGE_SIZE).min(bytes.len() - 1) };
            match random(8) {
                0 => drop(bytes.remove(at)),
                1 => bytes.insert(at, bytes[at]),
                2 => bytes[at] = 0xff,
                3 => bytes[at] ^= 1 << random(8),
                4 => bytes[at] = random(12) as u8,
                _ => bytes[at] = random(256) as u8,
            }
        }
        let mut input = Reader::new(bytes.as_slice());
        match reencoded(&mut input) {
            Ok(out) => {
                accepted += 1;
                assert_eq!(out.len() as u64, input.input.offset());
            }
            Err(error) => {
                refused += 1;
                assert!(
                    error.offset <= input.input.offset()
                        && input.input.offset() <= bytes.len() as u64,
                    "{error}"
                );
                assert!(!error.expected.is_empty() && !error.found.is_empty(), "{error}");
            }
        }
    }
    assert!(accepted > 100 && refused > 10_000, "{accepted} accepted, {refused} refused");
}
