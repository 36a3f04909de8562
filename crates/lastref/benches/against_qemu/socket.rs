//! The limit: bytes that go over a bare socket, with nothing done to them.
//!
//! A thread writes a buffer again and again, another reads into a small one that stays in the
//! cache. So the reader does less than any destination, which has to leave the bytes in RAM.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Instant;

use super::rows::Transport;

/// More than the caches hold, as RAM is.
const WRITE_BUFFER: usize = 256 << 20;

const READ_BUFFER: usize = 1 << 20;

/// Bytes a second, when `bytes` go over as many connections as there are channels.
pub(crate) fn rate(transport: Transport, channels: usize, bytes: u64) -> io::Result<f64> {
    let buffer: Vec<u8> = (0..WRITE_BUFFER).map(|byte| (byte % 251) as u8).collect();
    let share = bytes / channels as u64;
    let seconds = match transport {
        Transport::Unix => {
            let pairs = (0..channels).map(|_| UnixStream::pair()).collect::<io::Result<_>>()?;
            time(pairs, &buffer, share)
        }
        Transport::Tcp => {
            let pairs = (0..channels).map(|_| tcp_pair()).collect::<io::Result<_>>()?;
            time(pairs, &buffer, share)
        }
    }?;
    Ok(bytes as f64 / seconds)
}

fn tcp_pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let writer = TcpStream::connect(listener.local_addr()?)?;
    Ok((writer, listener.accept()?.0))
}

/// Seconds until all readers have read to the end.
fn time<S: Read + Write + Send>(pairs: Vec<(S, S)>, buffer: &[u8], share: u64) -> io::Result<f64> {
    let mut readers: Vec<_> = pairs.iter().map(|_| vec![1; READ_BUFFER]).collect();
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
                while reader.read(into)? > 0 {}
                Ok(())
            }));
        }
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| io::Error::other("a panic"))?)
    })?;
    Ok(start.elapsed().as_secs_f64())
}
