//! The bytes that `inspect`, `diff` and `extract` read: a file, a pipe, or what a program
//! decompresses from either.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use wire::libvirt::{self, HEADER_LEN, SaveHeader};
use wire::parser::Parser;
use wire::{Decoder, Wire};

use crate::failure::Failure;

/// What is on the command line for standard input.
const STANDARD_INPUT: &str = "-";

/// Bytes of the buffer, as many as `cat` uses: more would leave the processor's cache.
const BUFFER: usize = 128 << 10;

/// What the stream comes out of.
pub(crate) enum Source {
    /// A file or a pipe, with the bytes that were read from it to find out what it is.
    File { file: File, head: Vec<u8>, length: Option<u64> },
    /// The output of a program that decompresses.
    Program { program: &'static str, child: Child, output: ChildStdout },
}

impl Read for Source {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Source::File { file, head, .. } if head.is_empty() => file.read(buf),
            Source::File { head, .. } => {
                let n = head.len().min(buf.len());
                buf[..n].copy_from_slice(&head[..n]);
                head.drain(..n);
                Ok(n)
            }
            Source::Program { program, child, output } => match output.read(buf)? {
                0 if buf.is_empty() => Ok(0),
                // A program that fails has given less than there is.
                0 => match child.wait()? {
                    status if status.success() => Ok(0),
                    status => Err(io::Error::other(format!("{program} ended with {status}"))),
                },
                n => Ok(n),
            },
        }
    }
}

impl Source {
    /// Passes over `n` bytes of a file that can seek.
    pub(crate) fn skip(&mut self, n: u64) -> io::Result<u64> {
        let Source::File { file, head, length: Some(length) } = self else { return Ok(0) };
        if !head.is_empty() {
            return Ok(0);
        }
        let at = file.stream_position()?;
        let passed = n.min(length.saturating_sub(at));
        file.seek(SeekFrom::Current(passed.cast_signed()))?;
        Ok(passed)
    }
}

/// The header of a libvirt save image, and what it is about.
pub(crate) struct Image {
    pub(crate) header: SaveHeader,
    /// Whether offsets count in the stream that a program decompresses, and not in the file.
    pub(crate) compressed: bool,
}

/// A stream that is open.
pub(crate) struct Input {
    pub(crate) parser: Parser<Source>,
    pub(crate) image: Option<Image>,
}

/// Why a file cannot be read as a stream at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("cannot open it")]
    Open(#[source] io::Error),
    #[error("cannot read it")]
    Read(#[source] io::Error),
    #[error("the header of the libvirt image")]
    Header(#[source] wire::DecodeError),
    #[error("cannot run {program}, which the stream needs to be decompressed")]
    Program { program: &'static str, source: io::Error },
}

/// Opens FILE, or standard input for `-`.
pub(crate) fn open(path: &Path) -> Result<Input, Failure> {
    let failure = |error| Failure::Stream { path: shown(path), source: Box::new(error) };
    open_file(path).map_err(failure)
}

/// Returns the path as people should see it.
pub(crate) fn shown(path: &Path) -> PathBuf {
    if path.as_os_str() == STANDARD_INPUT { "standard input".into() } else { path.into() }
}

fn open_file(path: &Path) -> Result<Input, OpenError> {
    let file = if path.as_os_str() == STANDARD_INPUT {
        File::from(io::stdin().as_fd().try_clone_to_owned().map_err(OpenError::Open)?)
    } else {
        File::open(path).map_err(OpenError::Open)?
    };
    let metadata = file.metadata().map_err(OpenError::Open)?;
    let length = metadata.is_file().then_some(metadata.len());
    if metadata.is_dir() {
        return Err(OpenError::Open(io::ErrorKind::IsADirectory.into()));
    }
    let mut head = Vec::new();
    let magic = libvirt::MAGIC.len() as u64;
    (&file).take(magic).read_to_end(&mut head).map_err(OpenError::Read)?;
    if head != libvirt::MAGIC && head != libvirt::PARTIAL_MAGIC {
        let source = Source::File { file, head, length };
        return Ok(Input { parser: parser(source, 0)?, image: None });
    }
    let rest = (HEADER_LEN - head.len()) as u64;
    (&file).take(rest).read_to_end(&mut head).map_err(OpenError::Read)?;
    let header =
        SaveHeader::decode(&mut Decoder::new(head.as_slice())).map_err(OpenError::Header)?;
    // The program inherits the descriptor, so its place must be the start of the stream.
    let data = io::copy(&mut (&file).take(header.data_len.into()), &mut io::sink());
    if data.map_err(OpenError::Read)? < header.data_len.into() {
        let error = io::Error::new(io::ErrorKind::UnexpectedEof, "it ends before its stream");
        return Err(OpenError::Read(error));
    }
    let start = HEADER_LEN as u64 + u64::from(header.data_len);
    let Some(program) = header.format.program() else {
        let source = Source::File { file, head: Vec::new(), length };
        let image = Image { header, compressed: false };
        return Ok(Input { parser: parser(source, start)?, image: Some(image) });
    };
    let mut child = Command::new(program)
        .arg("-dc")
        .stdin(file)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|source| OpenError::Program { program, source })?;
    let Some(output) = child.stdout.take() else {
        return Err(OpenError::Read(io::Error::other("a program without output")));
    };
    let source = Source::Program { program, child, output };
    let image = Image { header, compressed: true };
    Ok(Input { parser: parser(source, 0)?, image: Some(image) })
}

/// Makes a parser whose offsets begin at `start`.
fn parser(source: Source, start: u64) -> Result<Parser<Source>, OpenError> {
    let input = Decoder::with_capacity(source, BUFFER).starting_at(start);
    Ok(Parser::with_decoder(input).skip_with(Source::skip))
}
