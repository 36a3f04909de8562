//! The link between the two ends, which can be cut at any byte.
//!
//! It accepts what the source connects, connects to the destination for each, and copies both
//! ways. A trigger watches the main channel, which is the first, and does something at its place.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{SendFlags, Shutdown};

/// PING and PONG of `engine`'s agreement: the last one before the machine is given away.
const READY: [u8; 4] = *b"LRDY";

/// A place that ends meet at.
#[derive(Debug, Clone)]
pub(crate) enum Address {
    Unix(PathBuf),
    Tcp(u16),
}

impl Address {
    pub(crate) fn uri(&self) -> String {
        match self {
            Address::Unix(path) => format!("unix:{}", path.display()),
            Address::Tcp(port) => format!("tcp:{}:{port}", Ipv4Addr::LOCALHOST),
        }
    }

    /// Returns whether somebody listens there, without connecting.
    pub(crate) fn is_listened_at(&self) -> bool {
        match self {
            Address::Unix(path) => {
                let table = std::fs::read_to_string("/proc/net/unix").unwrap_or_default();
                table.lines().any(|line| {
                    let mut fields = line.split_whitespace().skip(3);
                    fields.next() == Some("00010000") && fields.nth(3) == path.to_str()
                })
            }
            Address::Tcp(port) => ["tcp", "tcp6"].iter().any(|table| {
                let table = std::fs::read_to_string(format!("/proc/net/{table}"));
                table.unwrap_or_default().lines().any(|line| {
                    let mut fields = line.split_whitespace().skip(1);
                    let local = fields.next().and_then(|local| local.rsplit_once(':'));
                    local.is_some_and(|(_, hex)| u16::from_str_radix(hex, 16) == Ok(*port))
                        && fields.nth(1) == Some("0A")
                })
            }),
        }
    }

    fn connect(&self) -> io::Result<OwnedFd> {
        match self {
            Address::Unix(path) => Ok(UnixStream::connect(path)?.into()),
            Address::Tcp(port) => {
                let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, *port))?;
                stream.set_nodelay(true)?;
                Ok(stream.into())
            }
        }
    }
}

/// Where on the main channel a trigger fires.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    /// After so many bytes to the destination.
    Forth(u64),
    /// After so many bytes back to the source.
    Back(u64),
    /// So many bytes after the PING that asks whether all was taken: 1 is EOF.
    AfterPing(u64),
    /// So many bytes after the PONG that answers it, of which the last 8 are negative: SHUT takes
    /// 1 to 8.
    AfterPong(i64),
}

/// What happens when the trigger's place has come.
pub(crate) type Action = Box<dyn FnOnce() + Send>;

struct Trigger {
    place: Place,
    action: Mutex<Option<Action>>,
}

struct Shared {
    to: Address,
    listener: Arc<OwnedFd>,
    /// Held while a connection is taken and made to the destination too.
    accepting: Mutex<()>,
    trigger: Mutex<Option<Arc<Trigger>>>,
    /// Not counted: who copies closes both sockets when it ends. One that was shut down and stays
    /// open looks to its peer as if somebody may read on, and nobody does.
    links: Mutex<Vec<Weak<OwnedFd>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    is_cut: AtomicBool,
    is_held: AtomicBool,
    connections: AtomicUsize,
    forth: AtomicU64,
    back: AtomicU64,
    /// Bytes of the main channel that the destination was given; a held one is read, and not given.
    given: AtomicU64,
}

/// The link. Dropping it cuts it, and waits for its threads.
pub(crate) struct Proxy {
    shared: Arc<Shared>,
    listener: Arc<OwnedFd>,
    path: Option<PathBuf>,
    thread: Option<JoinHandle<()>>,
}

/// The right to break the link.
#[derive(Clone)]
pub(crate) struct Link(Arc<Shared>);

impl Link {
    /// Closes every connection; with `reset` so that the ends see a reset where there is one.
    pub(crate) fn cut(&self, reset: bool) {
        self.0.is_cut.store(true, Ordering::SeqCst);
        self.0.is_held.store(false, Ordering::SeqCst);
        for socket in lock(&self.0.links).iter().filter_map(Weak::upgrade) {
            // A unix socket has no reset.
            if reset {
                let _ = rustix::net::connect_unspec(&*socket);
            }
            let _ = rustix::net::shutdown(&*socket, Shutdown::Both);
        }
    }

    /// Lets nothing more go over it, and closes nothing.
    pub(crate) fn hold(&self) {
        self.0.is_held.store(true, Ordering::SeqCst);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Proxy {
    /// Listens at `at` for what is to go to `to`.
    pub(crate) fn new(at: &Address, to: Address) -> io::Result<Self> {
        let (listener, path): (OwnedFd, _) = match at {
            Address::Unix(path) => (UnixListener::bind(path)?.into(), Some(path.clone())),
            Address::Tcp(port) => (TcpListener::bind((Ipv4Addr::LOCALHOST, *port))?.into(), None),
        };
        let listener = Arc::new(listener);
        let shared = Arc::new(Shared {
            to,
            listener: Arc::clone(&listener),
            accepting: Mutex::default(),
            trigger: Mutex::default(),
            links: Mutex::default(),
            threads: Mutex::default(),
            is_cut: AtomicBool::new(false),
            is_held: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            forth: AtomicU64::new(0),
            given: AtomicU64::new(0),
            back: AtomicU64::new(0),
        });
        let (accepting, listening) = (Arc::clone(&shared), Arc::clone(&listener));
        let thread = thread::Builder::new().spawn(move || accept(&accepting, &listening))?;
        Ok(Proxy { shared, listener, path, thread: Some(thread) })
    }

    pub(crate) fn link(&self) -> Link {
        Link(Arc::clone(&self.shared))
    }

    pub(crate) fn set_trigger(&self, place: Place, action: Action) {
        let trigger = Trigger { place, action: Mutex::new(Some(action)) };
        *lock(&self.shared.trigger) = Some(Arc::new(trigger));
    }

    /// Returns whether the destination was ever connected to.
    pub(crate) fn was_used(&self) -> bool {
        self.shared.connections.load(Ordering::SeqCst) != 0
    }

    /// Returns whether the destination was given the magic of a stream, by which it knows one.
    pub(crate) fn has_begun(&self) -> bool {
        self.shared.given.load(Ordering::SeqCst) >= size_of_val(&wire::FILE_MAGIC) as u64
    }

    /// Returns the bytes of the main channel, to the destination and back.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        (self.shared.forth.load(Ordering::SeqCst), self.shared.back.load(Ordering::SeqCst))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.link().cut(false);
        let _ = rustix::net::shutdown(&*self.listener, Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        // One that was accepted meanwhile.
        self.link().cut(false);
        for thread in std::mem::take(&mut *lock(&self.shared.threads)) {
            let _ = thread.join();
        }
        if let Some(path) = &self.path {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn accept(shared: &Arc<Shared>, listener: &OwnedFd) {
    loop {
        if poll(&mut [PollFd::new(listener, PollFlags::IN)], None).is_err() {
            continue;
        }
        let _accepting = lock(&shared.accepting);
        let accepted = rustix::net::accept_with(listener, rustix::net::SocketFlags::CLOEXEC);
        let Ok(source) = accepted else { return };
        if shared.is_cut.load(Ordering::SeqCst) {
            continue;
        }
        let Ok(destination) = shared.to.connect() else { continue };
        let is_main = shared.connections.fetch_add(1, Ordering::SeqCst) == 0;
        if matches!(shared.to, Address::Tcp(_)) {
            let _ = rustix::net::sockopt::set_tcp_nodelay(&source, true);
        }
        let (source, destination) = (Arc::new(source), Arc::new(destination));
        lock(&shared.links).extend([Arc::downgrade(&source), Arc::downgrade(&destination)]);
        let ways =
            [(true, Arc::clone(&source), Arc::clone(&destination)), (false, destination, source)];
        for (forth, from, to) in ways {
            let copying = Arc::clone(shared);
            let copy = move || copy(&copying, is_main, forth, &from, &to);
            if let Ok(thread) = thread::Builder::new().spawn(copy) {
                lock(&shared.threads).push(thread);
            }
        }
        // A cut that came while this one was on its way.
        if shared.is_cut.load(Ordering::SeqCst) {
            Link(Arc::clone(shared)).cut(false);
        }
    }
}

/// Copies one way to the end, and closes that way after it.
fn copy(shared: &Shared, is_main: bool, forth: bool, from: &OwnedFd, to: &OwnedFd) {
    let mut buffer = vec![0; 64 << 10];
    let (mut count, mut mark) = (0, None);
    loop {
        let read = match rustix::io::read(from, &mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => {
                let _ = rustix::net::shutdown(to, Shutdown::Both);
                break;
            }
        };
        if !passes(shared) {
            break;
        }
        let mut bytes = &buffer[..read];
        if is_main {
            wait_for_connections(shared);
            if mark.is_none()
                && let Some(at) = bytes.windows(READY.len()).position(|four| four == READY)
            {
                mark = Some(count + (at + READY.len()) as u64);
            }
            let trigger = lock(&shared.trigger).clone();
            if let Some(trigger) = trigger
                && let Some(at) = trigger.place.on(forth, mark)
                && (count..=count + read as u64).contains(&at)
                && let Some(action) = lock(&trigger.action).take()
            {
                let (before, after) = bytes.split_at((at - count) as usize);
                if send(shared, to, before).is_err() {
                    break;
                }
                if forth {
                    shared.given.fetch_add(before.len() as u64, Ordering::SeqCst);
                }
                action();
                bytes = after;
            }
            count += read as u64;
            let counter = if forth { &shared.forth } else { &shared.back };
            counter.store(count, Ordering::SeqCst);
        }
        if send(shared, to, bytes).is_err() {
            // Who sends is told, as if there was no proxy.
            let _ = rustix::net::shutdown(from, Shutdown::Both);
            break;
        }
        if is_main && forth {
            shared.given.fetch_add(bytes.len() as u64, Ordering::SeqCst);
        }
    }
    let _ = rustix::net::shutdown(to, Shutdown::Write);
}

/// Waits until the destination has every connection that the source has made. Without a proxy it
/// has them before what the source sends later.
fn wait_for_connections(shared: &Shared) {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    while !shared.is_cut.load(Ordering::SeqCst) {
        let not_accepting = lock(&shared.accepting);
        let mut fds = [PollFd::new(&*shared.listener, PollFlags::IN)];
        if !matches!(poll(&mut fds, Some(&now)), Ok(1..)) {
            return;
        }
        drop(not_accepting);
        thread::yield_now();
    }
}

/// Waits while the link is held; `false` if it is cut.
fn passes(shared: &Shared) -> bool {
    let began = Instant::now();
    while shared.is_held.load(Ordering::SeqCst) && began.elapsed() < Duration::from_secs(60) {
        thread::sleep(Duration::from_millis(1));
    }
    !shared.is_cut.load(Ordering::SeqCst)
}

fn send(shared: &Shared, to: &OwnedFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        if !passes(shared) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        match rustix::net::send(to, bytes, SendFlags::NOSIGNAL) {
            Ok(sent) => bytes = &bytes[sent..],
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

impl Place {
    /// Returns the byte of one way that this is, as far as it is known.
    fn on(self, forth: bool, mark: Option<u64>) -> Option<u64> {
        match (self, forth) {
            (Place::Forth(at), true) | (Place::Back(at), false) => Some(at),
            (Place::AfterPing(bytes), true) => Some(mark? + bytes),
            (Place::AfterPong(bytes), false) => mark?.checked_add_signed(bytes),
            _ => None,
        }
    }
}
