//! Pages that come in any order, and more than once, leave in FILE what came last: memory that is
//! not there yet is written to the file, and the rest is stored to its mapping.

use std::fs;
use std::io::Write;

use test_support::program::Program;
use test_support::site::Site;
use test_support::stream::{RAM, Stream};
use wire::IdStr;
use wire::ram::{BlockRef, PageOffset, RamRecord};

use crate::support::lastref::{connection, inherited_uri, lastref};

const PAGE: usize = wire::TARGET_PAGE_SIZE;
const PAGES: usize = 256;

/// A stream, and the memory that it has to leave.
fn stream(mut seed: u64) -> (Vec<u8>, Vec<u8>) {
    let mut below = |end: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % end
    };
    let mut memory = vec![0; PAGES * PAGE];
    let ram = IdStr::new("ram").expect("a short name");
    let begun = Stream::head().start("ram", RAM).blocks(&[("ram", memory.len() as u64)]);
    let mut stream = begun.end_of_part(RAM);
    for _ in 0..4 {
        stream = stream.part(RAM);
        let mut block = BlockRef::Named(ram.clone());
        for _ in 0..12 {
            let first = below(PAGES);
            let pages = (1 + below(50)).min(PAGES - first);
            let fill = below(4);
            for page in first..first + pages {
                let offset = PageOffset::containing((page * PAGE) as u64);
                let block = std::mem::replace(&mut block, BlockRef::Same);
                let byte = if fill == 0 { 0 } else { (4 * page + fill) as u8 };
                stream = if fill == 0 {
                    stream.piece(&RamRecord::Zero { offset, block })
                } else {
                    stream.piece(&RamRecord::Page { offset, block }).raw(&[byte; PAGE])
                };
                memory[page * PAGE..][..PAGE].fill(byte);
            }
        }
        stream = stream.end_of_part(RAM);
    }
    (stream.end(RAM).end_of_part(RAM).eof().bytes, memory)
}

#[test]
fn pages_in_any_order_leave_in_the_file_what_came_last() {
    for seed in 0..20 {
        for prealloc in [false, true] {
            let site = Site::new((PAGES * PAGE) as u64);
            let (mut ours, theirs) = connection();
            let file = site.destination_ram();
            let mut arguments = vec!["receive".to_owned(), "--memory=1M".to_owned()];
            arguments.push(format!("--ram={}", file.display()));
            arguments.extend(prealloc.then(|| "--prealloc".to_owned()));
            arguments.push(inherited_uri());
            let command = lastref(&arguments, Some(theirs));
            let receiver = Program::start("lastref", command, site.scratch());
            let (stream, memory) = stream(seed);
            ours.write_all(&stream).expect("a destination that reads");
            drop(ours);
            receiver.finish().assert_exit(0);
            let received = fs::read(&file).expect("the file");
            let differs = received.chunks(PAGE).zip(memory.chunks(PAGE)).position(|(a, b)| a != b);
            assert_eq!((received.len(), differs), (PAGES * PAGE, None), "seed {seed}, {prealloc}");
        }
    }
}
