//! RAM images that are the same on every run, and their comparison.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// The page size of every machine here, in bytes.
const PAGE: u64 = 4096;

/// The longest stretch of pages of one kind.
const LONGEST_RUN: u64 = 256;

/// How many random bytes an image has; its random pages are windows on them.
const POOL: usize = 1 << 20;

/// What a page holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    /// Random bytes, the first eight the page's number: no two are equal, so
    /// a page in the wrong place does not go unseen.
    Random,
    /// Zeros that were written.
    Zero,
    /// Never written: a hole in the file, which reads as zeros.
    Hole,
    /// Zero but for the first byte: not a zero page.
    OnlyFirstByte,
    /// Zero but for the last byte: not a zero page.
    OnlyLastByte,
    /// One byte all over, not zero.
    Repeated,
}

/// A stretch of pages of one kind.
#[derive(Clone, Copy, Debug)]
struct Run {
    first: u64,
    pages: u64,
    content: Content,
}

/// The contents of a machine's RAM, made from a seed.
pub struct Image {
    seed: u64,
    size: u64,
    runs: Vec<Run>,
    pool: Vec<u8>,
}

impl Image {
    /// Random pages, zero pages, holes and pages that are nearly zero, in runs
    /// of every length up to 1 MiB.
    pub fn mixed(seed: u64, size: u64) -> Image {
        const CONTENTS: [Content; 10] = [
            Content::Random,
            Content::Random,
            Content::Random,
            Content::Random,
            Content::Zero,
            Content::Hole,
            Content::Hole,
            Content::OnlyFirstByte,
            Content::OnlyLastByte,
            Content::Repeated,
        ];
        let mut random = Random::new(seed);
        // Copies of a pool, not fresh numbers: an unoptimised test makes those
        // at a tenth of the speed of a migration.
        let pool = (0..POOL / 8).flat_map(|_| random.next().to_le_bytes()).collect();
        let mut runs = Vec::new();
        let mut first = 0;
        while first < size / PAGE {
            let choice = random.below(CONTENTS.len() as u64) as usize;
            let pages = (1 + random.below(LONGEST_RUN)).min(size / PAGE - first);
            runs.push(Run { first, pages, content: CONTENTS[choice] });
            first += pages;
        }
        for content in CONTENTS {
            assert!(
                runs.iter().any(|run| run.content == content),
                "seed {seed} makes an image of {size} bytes without {content:?} pages"
            );
        }
        Image { seed, size, runs, pool }
    }

    /// Nothing but a hole: a stream of it is small.
    pub fn untouched(size: u64) -> Image {
        Image { seed: 0, size, runs: Vec::new(), pool: Vec::new() }
    }

    /// The length in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Makes a file of it.
    pub fn write_to(&self, path: &Path) {
        let file = File::create(path).expect("a RAM file can be made");
        file.set_len(self.size).expect("a RAM file can have its size");
        for run in &self.runs {
            if run.content != Content::Hole {
                file.write_all_at(&self.bytes(*run), run.first * PAGE)
                    .expect("a RAM file can be written");
            }
        }
    }

    /// Fails the test unless the file holds this image, byte by byte.
    #[track_caller]
    pub fn assert_in(&self, path: &Path) {
        let (file, length) = open(path);
        assert_eq!(length, self.size, "length of {}", path.display());
        for run in &self.runs {
            let expected = self.bytes(*run);
            let mut found = vec![0; expected.len()];
            file.read_exact_at(&mut found, run.first * PAGE).expect("a RAM file can be read");
            if let Some(difference) = difference(run.first * PAGE, &expected, &found) {
                panic!(
                    "{} is not the image of seed {}: {difference}, in {run:?}",
                    path.display(),
                    self.seed
                );
            }
        }
    }

    /// The bytes of one run.
    fn bytes(&self, run: Run) -> Vec<u8> {
        let mut bytes = vec![0; (run.pages * PAGE) as usize];
        let mut random = Random::new(self.seed ^ run.first.rotate_left(32));
        for (page, number) in bytes.chunks_exact_mut(PAGE as usize).zip(run.first..) {
            match run.content {
                Content::Random => {
                    let start = random.below((POOL - page.len()) as u64) as usize;
                    page.copy_from_slice(&self.pool[start..start + page.len()]);
                    page[..8].copy_from_slice(&number.to_le_bytes());
                }
                Content::Zero | Content::Hole => {}
                Content::OnlyFirstByte => page[0] = random.not_zero(),
                Content::OnlyLastByte => page[PAGE as usize - 1] = random.not_zero(),
                Content::Repeated => page.fill(random.not_zero()),
            }
        }
        bytes
    }
}

/// Fails the test unless both files are equal, byte by byte.
#[track_caller]
pub fn assert_same_bytes(expected: &Path, found: &Path) {
    const CHUNK: u64 = 1 << 20;
    let (expected_file, expected_length) = open(expected);
    let (found_file, found_length) = open(found);
    assert_eq!(
        found_length,
        expected_length,
        "length of {}, which should equal {}",
        found.display(),
        expected.display()
    );
    let mut left = vec![0; CHUNK as usize];
    let mut right = vec![0; CHUNK as usize];
    for offset in (0..expected_length).step_by(CHUNK as usize) {
        let length = CHUNK.min(expected_length - offset) as usize;
        for (file, bytes) in [(&expected_file, &mut left), (&found_file, &mut right)] {
            file.read_exact_at(&mut bytes[..length], offset).expect("a RAM file can be read");
        }
        if let Some(difference) = difference(offset, &left[..length], &right[..length]) {
            panic!("{} should equal {}: {difference}", found.display(), expected.display());
        }
    }
}

#[track_caller]
fn open(path: &Path) -> (File, u64) {
    let file =
        File::open(path).unwrap_or_else(|error| panic!("{} expected: {error}", path.display()));
    let length = file.metadata().expect("a file has a length").len();
    (file, length)
}

/// The first byte that differs between two equally long stretches of a file
/// that start at `offset`, in words.
fn difference(offset: u64, expected: &[u8], found: &[u8]) -> Option<String> {
    // Equal stretches are compared as a whole: byte by byte takes minutes for
    // a GiB in an unoptimised test.
    if expected == found {
        return None;
    }
    let index = expected.iter().zip(found).position(|(expected, found)| expected != found)?;
    let at = offset + index as u64;
    Some(format!(
        "the first difference is at byte {at} (page {}, byte {} of it): expected {:#04x}, found {:#04x}",
        at / PAGE,
        at % PAGE,
        expected[index],
        found[index]
    ))
}

/// Marsaglia's xorshift with a multiplied output: enough to fill pages with.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Random {
        // Any state but zero will do; the multiplication spreads small seeds.
        Random(seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, bound: u64) -> u64 {
        // The low bits of this generator are its weak ones.
        (self.next() >> 32) % bound
    }

    fn not_zero(&mut self) -> u8 {
        1 + self.below(255) as u8
    }
}
