//! The limit: bytes that go over a bare socket, with nothing done to them.
//!
//! A thread writes a buffer again and again, another reads. Into a small buffer that stays in the
//! cache it does less than any destination, which has to leave the bytes in RAM; into one as large
//! as the writer's, that is there already, it does what every destination has to do.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Instant;

use super::rows::Transport;

/// More than the caches hold, as RAM is.
const WRITE_BUFFER: usize = 256 << 20;

/// Where the reader leaves the bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Into {
    Cache,
    Memory,
}

/// What our source asks for on a unix socket (`SEND_BUFFER` of the engine), in bytes.
const SEND_BUFFER: usize = 1 << 20;

/// Most bytes of one read.
const READ: usize = 1 << 20;

/// Bytes a second, when `bytes` go over as many connections as there are channels.
pub(crate) fn rate(
    transport: Transport,
    channels: usize,
    bytes: u64,
    into: Into,
) -> io::Result<f64> {
    let into = match into {
        Into::Cache => READ,
        Into::Memory => WRITE_BUFFER / channels,
    };
    let buffer: Vec<u8> = (0..WRITE_BUFFER).map(|byte| (byte % 251) as u8).collect();
    let share = bytes / channels as u64;
    let seconds = match transport {
        Transport::Unix => {
            let pairs = (0..channels).map(|_| unix_pair()).collect::<io::Result<_>>()?;
            time(pairs, &buffer, share, into)
        }
        Transport::Tcp => {
            let pairs = (0..channels).map(|_| tcp_pair()).collect::<io::Result<_>>()?;
            time(pairs, &buffer, share, into)
        }
    }?;
    Ok(bytes as f64 / seconds)
}

fn unix_pair() -> io::Result<(UnixStream, UnixStream)> {
    let (writer, reader) = UnixStream::pair()?;
    rustix::net::sockopt::set_socket_send_buffer_size(&writer, SEND_BUFFER)?;
    Ok((writer, reader))
}

fn tcp_pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let writer = TcpStream::connect(listener.local_addr()?)?;
    Ok((writer, listener.accept()?.0))
}

/// Seconds until all readers have read to the end.
fn time<S: Read + Write + Send>(
    pairs: Vec<(S, S)>,
    buffer: &[u8],
    share: u64,
    into: usize,
) -> io::Result<f64> {
    let mut readers: Vec<Vec<u8>> = pairs.iter().map(|_| vec![1; into]).collect();
    let start = Instant::now();
    thread::scope(|scope| {
        let mut threads: Vec<thread::ScopedJoinHandle<'_, io::Result<()>>> = Vec::new();
        for ((mut writer, mut reader), into) in pairs.into_iter().zip(&mut readers) {
            threads.push(scope.spawn(move || {
                let mut left = share;
                while left > 0 {
                    let length = left.min(buffer.len() as u64);
                    writer.write_all(&buffer[..length as usize])?;
                    left -= length;
                }
                Ok(())
            }));
            threads.push(scope.spawn(move || {
                let mut at = 0;
                loop {
                    let end = into.len().min(at + READ);
                    match reader.read(&mut into[at..end])? {
                        0 => return Ok(()),
                        read => at = (at + read) % into.len(),
                    }
                }
            }));
        }
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| io::Error::other("a panic"))?)
    })?;
    Ok(start.elapsed().as_secs_f64())
}
