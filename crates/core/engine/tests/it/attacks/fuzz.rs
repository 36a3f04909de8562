//! Two ends of ours, a connection that is cut anywhere, cancels at any moment.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use engine::{Direction, MigrationStatus, RunState};
use test_support::machine::{Script, Site, attach};
use test_support::peer;

struct Random(u64);
impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }
}

/// Passes bytes on, at most `limit`, then cuts both.
fn pass(mut from: UnixStream, mut to: UnixStream, mut limit: u64) {
    let mut buffer = [0; 512];
    loop {
        let most = (limit as usize).min(buffer.len());
        if most == 0 {
            break;
        }
        match from.read(&mut buffer[..most]) {
            Ok(0) | Err(_) => break,
            Ok(read) => {
                if to.write_all(&buffer[..read]).is_err() {
                    break;
                }
                limit -= read as u64;
            }
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

#[test]
fn never_in_two_places_and_never_nowhere() {
    let mut random =
        Random(std::env::var("SEED").map_or(0x1234_5678_9abc_def1, |s| s.parse().unwrap()));
    let mut seen = std::collections::BTreeMap::new();
    for round in 0..600 {
        let mut thread = attach();
        let source = Site::source(4, Script::default());
        let destination = Site::destination(4, Script::default());
        let (here, a) = peer::pair();
        let (there, b) = peer::pair();
        // All of the stream is some 9500 bytes.
        let (cut_there, cut_back) = match random.below(4) {
            0 => (9000 + random.below(1500), u64::MAX),
            1 => (u64::MAX, random.below(40)),
            2 => (random.below(10_000), u64::MAX),
            _ => (u64::MAX, u64::MAX),
        };
        let (a2, b2) = (a.try_clone().unwrap(), b.try_clone().unwrap());
        let passes = [
            thread::spawn(move || pass(a, b, cut_there)),
            thread::spawn(move || pass(b2, a2, cut_back)),
        ];
        destination.migrate_incoming(&mut thread, there).unwrap();
        source.migrate(&mut thread, here).unwrap();
        let cancels: Vec<_> = [(&source, Direction::Outgoing), (&destination, Direction::Incoming)]
            .into_iter()
            .filter_map(|(site, direction)| {
                let after = Duration::from_micros(random.below(3000));
                let object = site.object.clone();
                (random.below(3) == 0).then(|| {
                    thread::spawn(move || {
                        thread::sleep(after);
                        object.cancel(&mut attach().lock(), direction);
                    })
                })
            })
            .collect();
        let sent = source.end(&mut thread, Direction::Outgoing);
        let received = destination.end(&mut thread, Direction::Incoming);
        cancels.into_iter().for_each(|cancel| cancel.join().unwrap());
        passes.into_iter().for_each(|pass| pass.join().unwrap());
        let runs = |site: &Site| site.machine.run_state() == RunState::Running;
        let (s, d) = (runs(&source), runs(&destination));
        let says = format!("{sent} {received} {:?}", source.machine.run_state());
        *seen.entry(says).or_insert(0) += 1;
        let context = || {
            format!(
                "round {round}: {sent} ({:?}), {received} ({:?}), {:?}",
                source.error(Direction::Outgoing),
                destination.error(Direction::Incoming),
                source.machine.trace()
            )
        };
        assert!(!(s && d), "two places: {}", context());
        assert_eq!(d, received == MigrationStatus::Completed, "{}", context());
        if sent == MigrationStatus::Completed {
            assert!(d, "{}", context());
            assert!(source.error(Direction::Outgoing).is_none(), "{}", context());
        }
        if d {
            assert!(destination.error(Direction::Incoming).is_none(), "{}", context());
            assert!(source.machine.contents() == destination.machine.contents(), "{}", context());
        }
        if !s && !d {
            source.object.cont(&mut thread.lock()).unwrap_or_else(|e| panic!("{e}: {}", context()));
        }
    }
    println!("{seen:#?}");
}
