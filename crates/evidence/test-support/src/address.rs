//! A place two programs meet at, and what the kernel says of it.
//!
//! Nothing here connects: a stray connection would be taken for the migration.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::program::Program;
use crate::site::Site;
use crate::wait;

/// The two kinds of sockets a migration goes over.
#[derive(Clone, Copy)]
pub enum Transport {
    /// A socket with a path.
    Unix,
    /// A port of 127.0.0.1.
    Tcp,
}

/// An address nobody uses yet.
pub enum Address {
    /// The path of a socket.
    Unix(PathBuf),
    /// A port of 127.0.0.1.
    Tcp(u16),
}

/// One socket as the kernel lists it.
struct Socket {
    listens: bool,
    /// Bytes that wait to be read, where the kernel tells (TCP).
    unread: Option<u64>,
}

impl Address {
    /// A path in the scratch directory, or a free port of 127.0.0.1.
    pub fn new(transport: Transport, site: &Site) -> Address {
        match transport {
            Transport::Unix => Address::Unix(site.scratch().join("migration.sock")),
            Transport::Tcp => Address::Tcp(free_port()),
        }
    }

    /// As QEMU writes it.
    pub fn uri(&self) -> String {
        match self {
            Address::Unix(path) => format!("unix:{}", path.display()),
            Address::Tcp(port) => format!("tcp:{}:{port}", Ipv4Addr::LOCALHOST),
        }
    }

    /// Waits until `listener` listens here.
    ///
    /// # Panics
    ///
    /// When it ends before, or at the deadline.
    #[track_caller]
    pub fn wait_for_listener(&self, listener: &mut Program) {
        wait::until(
            listener,
            |listener| {
                if self.sockets().iter().any(|socket| socket.listens) {
                    return Some(());
                }
                assert!(
                    listener.ended().is_none(),
                    "{} should have listened at {}",
                    listener.report(),
                    self.uri()
                );
                None
            },
            |listener| format!("a listener at {}, by {}", self.uri(), listener.report()),
        );
    }

    /// Waits until `sender` has connected here and, where the kernel tells,
    /// has sent something that was not read.
    ///
    /// # Panics
    ///
    /// When it ends before, or at the deadline.
    #[track_caller]
    pub fn wait_for_sender(&self, sender: &mut Program) {
        wait::until(
            sender,
            |sender| {
                assert!(
                    sender.ended().is_none(),
                    "nobody reads at {}, so {} cannot be done",
                    self.uri(),
                    sender.report()
                );
                let sockets = self.sockets();
                let mut accepted = sockets.iter().filter(|socket| !socket.listens);
                accepted.any(|socket| socket.unread.is_none_or(|bytes| bytes > 0)).then_some(())
            },
            |sender| format!("a connection to {}, by {}", self.uri(), sender.report()),
        );
    }

    /// The sockets bound to this address: the listener, and the listener's
    /// end of every connection made to it, accepted or not.
    fn sockets(&self) -> Vec<Socket> {
        match self {
            Address::Unix(path) => kernel_table("unix")
                .lines()
                // Num RefCount Protocol Flags Type St Inode Path
                .filter(|line| line.split_whitespace().nth(7) == path.to_str())
                .map(|line| Socket { listens: field(line, 3) == Some("00010000"), unread: None })
                .collect(),
            Address::Tcp(port) => [kernel_table("tcp"), kernel_table("tcp6")]
                .iter()
                .flat_map(|table| table.lines())
                // sl local_address rem_address st tx_queue:rx_queue …
                .filter(|line| {
                    let local = field(line, 1).and_then(|address| address.rsplit_once(':'));
                    local.is_some_and(|(_, hex)| u16::from_str_radix(hex, 16) == Ok(*port))
                })
                .map(|line| Socket {
                    listens: field(line, 3) == Some("0A"),
                    unread: field(line, 4)
                        .and_then(|queues| queues.split_once(':'))
                        .and_then(|(_, hex)| u64::from_str_radix(hex, 16).ok()),
                })
                .collect(),
        }
    }
}

fn kernel_table(name: &str) -> String {
    fs::read_to_string(format!("/proc/net/{name}")).unwrap_or_default()
}

fn field(line: &str, number: usize) -> Option<&str> {
    line.split_whitespace().nth(number)
}

/// Ports that the kernel gives to nobody by itself (`ip_local_port_range`): between the look
/// whether one is free and the listening no connection takes it.
const PORTS: Range<u16> = 20_000..32_000;

/// A port nobody listens at, given to one test of this process only.
fn free_port() -> u16 {
    static LAST: Mutex<Option<u16>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let ports = u32::from(PORTS.end - PORTS.start);
    for _ in 0..ports {
        let next = match *last {
            // Another test binary may run beside this one.
            None => std::process::id().wrapping_mul(97),
            Some(last) => u32::from(last - PORTS.start) + 1,
        };
        let port = PORTS.start + (next % ports) as u16;
        *last = Some(port);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("none of the ports {PORTS:?} is free");
}
