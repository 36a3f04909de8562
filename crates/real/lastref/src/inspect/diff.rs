//! `lastref diff`: the pages and the fields of devices in which two streams differ.
//!
//! Each stream is read once. A page is kept as a hash of 64 bits with a random key, so memory is
//! 1/512 of the RAM that is not zero; a page that differs is missed with a probability of 2⁻⁶⁴. A
//! page that does not come is one of zeros, as in the memory of a new machine.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use wire::TARGET_PAGE_SIZE;
use wire::layout::{FieldLayout, Piece, Value};
use wire::parser::Event;

use super::pages::Words;
use super::report::Report;
use super::survey::{Section, Survey, What};
use super::{input, tree};
use crate::cli::DiffArgs;
use crate::failure::Failure;

/// Ranges of pages that are shown of a block.
const SHOWN_RANGES: usize = 16;

/// Elements of an array that are shown.
const SHOWN_ELEMENTS: usize = 8;

/// Bytes of a value above which only the first difference is shown.
const LONG: usize = 16;

/// Maximum number of bytes of paths and values of one device that are compared field by field.
const MAX_FIELD_BYTES: usize = 64 << 20;

const PAGE: u64 = TARGET_PAGE_SIZE as u64;

/// A stream that has been read.
struct Side {
    report: Report,
    hashes: Words,
    /// Pages that came as a difference, or that there was no room for.
    unknown: u64,
}

pub(crate) fn run(args: &DiffArgs) -> Result<(), Failure> {
    if args.a == args.b && args.a.as_os_str() == "-" {
        return Err(Failure::Usage("only one of the two can be standard input".into()));
    }
    let key = RandomState::new();
    let a = read(&args.a, &key)?;
    let b = read(&args.b, &key)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut diff = Diff { out: &mut out, lines: 0 };
    let printed = diff.print(&a, &b);
    let lines = diff.lines;
    printed.and_then(|()| out.flush()).map_err(super::unprinted)?;
    let mut well = lines == 0;
    for (side, path) in [(&a, &args.a), (&b, &args.b)] {
        let path = input::shown(path);
        if let Some(reason) = side.report.failure() {
            well = false;
            say!("lastref: {}: {reason}", path.display());
        }
        if side.unknown > 0 {
            well = false;
            let unknown = side.unknown;
            say!("lastref: {}: {unknown} pages cannot be compared", path.display());
        }
    }
    if well { Ok(()) } else { Err(Failure::Reported) }
}

fn read(path: &Path, key: &RandomState) -> Result<Side, Failure> {
    let mut input = input::open(path)?;
    let mut hashes = Words::of_pages();
    let mut unknown = 0;
    let survey = Survey::with(&mut input.parser, |event| match event {
        Event::Pages { block, offset, run } => {
            for (number, page) in (offset.get() / PAGE..).zip(run.pages()) {
                if *page == [0; TARGET_PAGE_SIZE] {
                    clear(&mut hashes, *block, number);
                } else if let Some(word) = hashes.entry(*block, number) {
                    *word = key.hash_one(page).max(1);
                } else {
                    unknown += 1;
                }
            }
        }
        Event::Zero { block, offset } => clear(&mut hashes, *block, offset.get() / PAGE),
        Event::Delta { .. } => unknown += 1,
        _ => {}
    });
    Ok(Side { report: Report::of(survey, input.image), hashes, unknown })
}

/// Notes that a page is zero; a page without memory is.
fn clear(hashes: &mut Words, block: usize, page: u64) {
    if let Some(word) = hashes.get_mut(block, page) {
        *word = 0;
    }
}

struct Diff<'w> {
    out: &'w mut dyn Write,
    lines: u64,
}

/// A field by its path, and which of those with this path it is.
type FieldPath = (String, usize);

impl Diff<'_> {
    fn line(&mut self, text: &str) -> io::Result<()> {
        self.lines += 1;
        writeln!(self.out, "{text}")
    }

    fn print(&mut self, a: &Side, b: &Side) -> io::Result<()> {
        self.configurations(a, b)?;
        self.blocks(a, b)?;
        self.devices(a, b)
    }

    fn configurations(&mut self, a: &Side, b: &Side) -> io::Result<()> {
        let of = |side: &Side| {
            side.report.survey.entries.iter().find_map(|entry| match &entry.what {
                What::Configuration(configuration) => Some(configuration.clone()),
                _ => None,
            })
        };
        let (a, b) = (of(a).unwrap_or_default(), of(b).unwrap_or_default());
        for (name, a, b) in [
            ("machine", format!("{:?}", a.machine), format!("{:?}", b.machine)),
            (
                "target-page-bits",
                format!("{:?}", a.target_page_bits),
                format!("{:?}", b.target_page_bits),
            ),
            ("capabilities", format!("{:?}", a.capabilities), format!("{:?}", b.capabilities)),
            ("uuid", format!("{:?}", a.uuid), format!("{:?}", b.uuid)),
        ] {
            if a != b {
                self.line(&format!("configuration {name}: {a} and {b}"))?;
            }
        }
        Ok(())
    }

    fn blocks(&mut self, a: &Side, b: &Side) -> io::Result<()> {
        let (ours, theirs) = (&a.report.survey.blocks, &b.report.survey.blocks);
        for (index, block) in ours.iter().enumerate() {
            let other = theirs.iter().position(|other| other.idstr == block.idstr);
            let Some(other) = other else {
                self.line(&format!("RAM block {:?}: only in the first", block.idstr))?;
                continue;
            };
            let lengths = (block.used_length, theirs[other].used_length);
            if lengths.0 != lengths.1 {
                let (a, b) = lengths;
                self.line(&format!("RAM block {:?}: length {a} and {b}", block.idstr))?;
            }
            self.pages(&format!("{:?}", block.idstr), &a.hashes, index, &b.hashes, other)?;
        }
        for block in theirs {
            if !ours.iter().any(|other| other.idstr == block.idstr) {
                self.line(&format!("RAM block {:?}: only in the second", block.idstr))?;
            }
        }
        Ok(())
    }

    /// Compares the pages of a block, which has a number in each stream.
    fn pages(
        &mut self,
        name: &str,
        a: &Words,
        a_block: usize,
        b: &Words,
        b_block: usize,
    ) -> io::Result<()> {
        let (mut ours, mut theirs) = (a.iter(a_block).peekable(), b.iter(b_block).peekable());
        let mut pages = 0;
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        let mut more = 0;
        loop {
            let page = match (ours.peek(), theirs.peek()) {
                (None, None) => break,
                (Some(a), None) => a.0,
                (None, Some(b)) => b.0,
                (Some(a), Some(b)) => a.0.min(b.0),
            };
            let a = ours.next_if(|word| word.0 == page).map_or(0, |word| word.1);
            let b = theirs.next_if(|word| word.0 == page).map_or(0, |word| word.1);
            if a == b {
                continue;
            }
            pages += 1;
            let room = ranges.len() < SHOWN_RANGES;
            match ranges.last_mut() {
                Some(last) if last.1 == page && more == 0 => last.1 += 1,
                _ if room => ranges.push((page, page + 1)),
                _ => more += 1,
            }
        }
        if pages == 0 {
            return Ok(());
        }
        let shown =
            ranges.iter().map(|(start, end)| format!("{:#x}..{:#x}", start * PAGE, end * PAGE));
        let mut text = shown.collect::<Vec<_>>().join(", ");
        if more > 0 {
            text += &format!(", and {more} pages more");
        }
        self.line(&format!("RAM block {name}: {pages} pages differ: {text}"))
    }

    fn devices(&mut self, a: &Side, b: &Side) -> io::Result<()> {
        let mut others: HashMap<(&str, u32), usize> = HashMap::new();
        for (index, section) in sections(b) {
            others.insert((&section.name, section.instance), index);
        }
        for (index, section) in sections(a) {
            let name = format!("{:?} instance {}", section.name, section.instance);
            match others.remove(&(section.name.as_str(), section.instance)) {
                None => self.line(&format!("device {name}: only in the first"))?,
                Some(other) => self.device(&name, (a, index), (b, other))?,
            }
        }
        let mut rest: Vec<_> = others.into_iter().collect();
        rest.sort_by_key(|(_, index)| *index);
        for ((name, instance), _) in rest {
            self.line(&format!("device {name:?} instance {instance}: only in the second"))?;
        }
        Ok(())
    }

    fn device(&mut self, name: &str, a: (&Side, usize), b: (&Side, usize)) -> io::Result<()> {
        let (Some((ours, a_bytes)), Some((theirs, b_bytes))) = (payload(a), payload(b)) else {
            return self.line(&format!("device {name}: too large to be compared"));
        };
        if ours.version != theirs.version {
            let (a, b) = (ours.version, theirs.version);
            self.line(&format!("device {name}: version {a} and {b}"))?;
        }
        if a_bytes == b_bytes {
            return Ok(());
        }
        let before = self.lines;
        let (a_fields, b_fields) = (fields(a), fields(b));
        let mut others: HashMap<&FieldPath, &(FieldLayout, Vec<u8>)> =
            b_fields.iter().map(|(path, field)| (path, field)).collect();
        for (path, (field, bytes)) in &a_fields {
            let label = &path.0;
            match others.remove(path) {
                None => self.line(&format!("device {name}: {label}: only in the first"))?,
                Some((_, other)) if bytes == other => {}
                Some((other_field, other)) => {
                    let text = difference((field, bytes), (other_field, other));
                    self.line(&format!("device {name}: {label}: {text}"))?;
                }
            }
        }
        for (path, _) in &b_fields {
            if others.contains_key(path) {
                self.line(&format!("device {name}: {}: only in the second", path.0))?;
            }
        }
        if self.lines == before {
            let at = a_bytes.iter().zip(b_bytes).take_while(|(a, b)| a == b).count();
            self.line(&format!("device {name}: differs from byte {at} of its state on"))?;
        }
        Ok(())
    }
}

/// Says how two values differ: the elements of an array, or the bytes of what is long.
fn difference(a: (&FieldLayout, &[u8]), b: (&FieldLayout, &[u8])) -> String {
    let whole = || format!("{} and {}", tree::value(a.0, a.1), tree::value(b.0, b.1));
    if a.1.len() != b.1.len() {
        return whole();
    }
    if a.0.array_len.is_none() && a.1.len() <= LONG {
        return whole();
    }
    let mut ours = a.0.values(a.1);
    if let (Some(Value::Bytes(bytes)), None) = (ours.next(), ours.next())
        && bytes.len() > LONG
    {
        let at = a.1.iter().zip(b.1).take_while(|(a, b)| a == b).count();
        let count = a.1.iter().zip(b.1).filter(|(a, b)| a != b).count();
        let (a, b) = (a.1[at], b.1[at]);
        return format!("{count} bytes differ, the first is byte {at}: {a:#04x} and {b:#04x}");
    }
    let pairs = a.0.values(a.1).zip(b.0.values(b.1)).enumerate();
    let mut different = pairs.filter(|(_, (a, b))| a != b);
    let shown = different
        .by_ref()
        .take(SHOWN_ELEMENTS)
        .map(|(index, (a, b))| format!("[{index}] {} and {}", tree::scalar(a), tree::scalar(b)));
    let mut text = shown.collect::<Vec<_>>().join(", ");
    match different.count() {
        0 => {}
        more => text += &format!(", and {more} more"),
    }
    text
}

/// Returns the device sections of a stream with their places in the survey.
fn sections(side: &Side) -> impl Iterator<Item = (usize, &Section)> {
    let entries = side.report.survey.entries.iter().enumerate();
    entries.filter_map(|(index, entry)| match &entry.what {
        What::Section(section) if section.is_device() => Some((index, section)),
        _ => None,
    })
}

fn payload((side, index): (&Side, usize)) -> Option<(&Section, &[u8])> {
    match &side.report.survey.entries.get(index)?.what {
        What::Section(section) => Some((section, section.payload.as_deref()?)),
        _ => None,
    }
}

/// Lists the fields of a device by their paths, for instance `env.segs[0].selector`. There are none
/// without a description.
fn fields((side, index): (&Side, usize)) -> Vec<(FieldPath, (FieldLayout, Vec<u8>))> {
    let Some((_, payload, state)) = side.report.device(index) else { return Vec::new() };
    let mut list = Vec::new();
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut path: Vec<String> = Vec::new();
    let mut kept = 0;
    let _ = state.decode(payload, &mut |piece| match piece {
        Piece::Struct { field, index, .. } => path.push(element(field, index)),
        Piece::Subsection { name, .. } => path.push(name.escape_debug().to_string()),
        Piece::End => drop(path.pop()),
        Piece::Field { field, bytes, .. } => {
            path.push(element(field, field.index));
            kept += path.iter().map(String::len).sum::<usize>() + bytes.len();
            if kept > MAX_FIELD_BYTES {
                path.pop();
                return;
            }
            let name = path.join(".");
            path.pop();
            let count = seen.entry(name.clone()).or_default();
            *count += 1;
            list.push(((name, *count), (field.clone(), bytes.to_vec())));
        }
        Piece::Undescribed { .. } => {}
    });
    list
}

fn element(field: &FieldLayout, index: Option<u64>) -> String {
    let index = index.map(|index| format!("[{index}]")).unwrap_or_default();
    format!("{}{index}", field.name.escape_debug())
}
