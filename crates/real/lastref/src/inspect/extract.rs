//! `lastref extract`: a RAM block, a range of it, or a device section, to a file.
//!
//! A stream sends the pages of a block in any order, and some of them again, so each page goes to
//! its place in the file as it comes. Pages that do not come are holes.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use whole_file::WholeFile;
use wire::TARGET_PAGE_SIZE;
use wire::parser::{Block, Event, SectionKind};
use wire::xbzrle::{self, XbzrleError};

use super::input;
use super::pages::PageSet;
use crate::cli::ExtractArgs;
use crate::failure::Failure;
use crate::same_file;

/// Maximum number of names that an error lists.
const MAX_NAMES: usize = 200;

const PAGE: u64 = TARGET_PAGE_SIZE as u64;

/// Why there is nothing to write.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExtractError {
    #[error("the stream is damaged")]
    Damaged(#[source] wire::DecodeError),
    #[error("there is no such RAM block or device section; there are: {names}")]
    Missing { names: String },
    #[error("its length is {length:#x}, so it has no {wanted:#x} bytes from {offset:#x} on")]
    Range { offset: u64, wanted: u64, length: u64 },
    #[error("page {offset:#x}")]
    Delta { offset: u64, source: XbzrleError },
    #[error("page {offset:#x} is a difference from a page that did not come")]
    Base { offset: u64 },
    #[error("its pages are not in this stream: they are on the channels of multifd")]
    Multifd,
}

/// What is written.
enum Target {
    /// Not found yet.
    None,
    /// The pages of a block from `start` up to `end`.
    Ram { block: usize, start: u64, end: u64 },
    /// The payload that the parser is in.
    Section,
    /// A payload that is complete.
    Done,
}

pub(crate) fn run(args: &ExtractArgs) -> Result<(), Failure> {
    same_file::refuse_output(&args.file, &args.output)?;
    let output_error = |source| Failure::Output { path: args.output.clone(), source };
    let fail = |error| {
        let (name, path) = (args.name.clone(), input::shown(&args.file));
        Failure::Extract { name, path, source: Box::new(error) }
    };
    let mut parser = input::open(&args.file)?.parser;
    let output = WholeFile::create_private(&args.output).map_err(output_error)?;
    let mut file = output.as_file();
    let mut target = Target::None;
    let mut names = BTreeSet::new();
    let mut written = PageSet::default();
    let (mut pages, mut flush) = (0_u64, false);
    loop {
        // The event borrows from the parser, so the block is looked up after it.
        let mut found = None;
        match parser.next().map_err(|error| fail(ExtractError::Damaged(error)))? {
            None => break,
            Some(Event::Block { block }) => found = Some(block),
            Some(Event::MultifdFlush) => flush = true,
            Some(Event::Pages { block, offset, run }) => {
                for (number, page) in (0..).zip(run.pages()) {
                    let offset = offset.get() + number * PAGE;
                    if let Some(at) = place(&target, block, offset) {
                        written.insert(0, at / PAGE);
                        pages += 1;
                        file.write_all_at(page, at).map_err(output_error)?;
                    }
                }
            }
            Some(Event::Zero { block, offset }) => {
                if let Some(at) = place(&target, block, offset.get()) {
                    pages += 1;
                    // A page that was not written is a hole, and so zero.
                    if written.insert(0, at / PAGE) != Some(true) {
                        file.write_all_at(&[0; TARGET_PAGE_SIZE], at).map_err(output_error)?;
                    }
                }
            }
            Some(Event::Delta { block, offset, bytes }) => {
                if let Some(at) = place(&target, block, offset.get()) {
                    if written.insert(0, at / PAGE) == Some(true) {
                        return Err(fail(ExtractError::Base { offset: offset.get() }));
                    }
                    let mut page = [0; TARGET_PAGE_SIZE];
                    file.read_exact_at(&mut page, at).map_err(output_error)?;
                    xbzrle::apply(&mut page, bytes).map_err(|source| {
                        fail(ExtractError::Delta { offset: offset.get(), source })
                    })?;
                    file.write_all_at(&page, at).map_err(output_error)?;
                }
            }
            Some(Event::Section { kind: SectionKind::Full, header }) => {
                let is_it =
                    header.idstr.as_str() == args.name && header.instance_id == args.instance;
                if is_it && matches!(target, Target::None) {
                    target = Target::Section;
                } else if names.len() < MAX_NAMES {
                    names.insert(format!("{:?} {}", header.idstr, header.instance_id));
                }
            }
            Some(Event::Payload(bytes)) if matches!(target, Target::Section) => {
                file.write_all(bytes).map_err(output_error)?;
            }
            Some(Event::SectionEnd) if matches!(target, Target::Section) => target = Target::Done,
            Some(_) => {}
        }
        let Some(block) = found else { continue };
        let Block { idstr, used_length, .. } = &parser.blocks()[block];
        if idstr.as_str() == args.name && !args.section {
            let range = range(args, *used_length).map_err(fail)?;
            set_length(file, range.1 - range.0).map_err(output_error)?;
            target = Target::Ram { block, start: range.0, end: range.1 };
        } else if names.len() < MAX_NAMES {
            names.insert(format!("{idstr:?}"));
        }
    }
    match target {
        Target::None | Target::Section => {
            let names = names.into_iter().collect::<Vec<_>>().join(", ");
            Err(fail(ExtractError::Missing { names }))
        }
        Target::Ram { .. } if flush && pages == 0 => Err(fail(ExtractError::Multifd)),
        Target::Ram { .. } | Target::Done => output.persist().map_err(output_error),
    }
}

/// Returns the first byte of the range and the byte after its last.
fn range(args: &ExtractArgs, length: u64) -> Result<(u64, u64), ExtractError> {
    let start = args.offset.unwrap_or(0);
    let wanted = args.length.map_or(length.saturating_sub(start), |length| length as u64);
    match start.checked_add(wanted) {
        Some(end) if end <= length && wanted > 0 => Ok((start, end)),
        _ => Err(ExtractError::Range { offset: start, wanted, length }),
    }
}

/// Returns where a page goes in the file, if it is one of those to write.
fn place(target: &Target, block: usize, offset: u64) -> Option<u64> {
    match target {
        Target::Ram { block: ours, start, end }
            if *ours == block && (*start..*end).contains(&offset) =>
        {
            Some(offset - start)
        }
        _ => None,
    }
}

/// Makes room, all holes. A device that is written in place has its length.
fn set_length(file: &File, length: u64) -> io::Result<()> {
    if file.metadata()?.is_file() { file.set_len(length) } else { Ok(()) }
}
