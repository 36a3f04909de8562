//! The callers that QEMU has off the BQL, each on a thread of its own: before there is an
//! object, while it migrates, and after it is gone. Two ways are open to them: keep an
//! observer, or lock first.

use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use migration::bql::{BqlGuard, BqlUnlocked};
use migration::{Direction, Life, MigrationStatus};
use test_support::machine::{MANY_PAGES, Script, attach};
use test_support::peer::pair;
use test_support::wait::DEADLINE;

use crate::machines::machine;
use crate::turn::{Owned, my_turn, object_init, shutdown};

/// A migration to a peer that reads nothing.
struct Running {
    object: Owned,
    life: Life,
    _peer: UnixStream,
}

fn begin(thread: &mut BqlUnlocked) -> Running {
    let mut bql = thread.lock();
    let (host, _) = machine(MANY_PAGES, Script::default());
    let object = object_init(&mut bql, host).expect("no object yet");
    let life = migration::life(&bql).expect("the life of the object");
    let (endpoint, peer) = pair();
    migration::migrate(&mut bql, endpoint).expect("an idle object");
    Running { object, life, _peer: peer }
}

fn end(running: Running, thread: &mut BqlUnlocked) {
    drop(shutdown(running.object, &mut thread.lock()));
    assert!(running.life.wait_until_dropped(thread, DEADLINE), "{:?}", running.life.events());
}

/// A thread that asks a question each time it is told to, and answers.
struct Caller {
    ask: Sender<()>,
    answers: Receiver<bool>,
}

impl Caller {
    /// `serve` runs on the thread, and asks for each item of the iterator.
    fn start(serve: impl FnOnce(Receiver<()>, Sender<bool>) + Send + 'static) -> Self {
        let (ask, asked) = channel();
        let (answer, answers) = channel();
        thread::spawn(move || serve(asked, answer));
        Caller { ask, answers }
    }

    /// It takes the lock for each question.
    fn that_locks(question: fn(&mut BqlGuard<'_>) -> bool) -> Self {
        Caller::start(move |asked, answer| {
            let mut thread = attach();
            for () in asked {
                answer.send(question(&mut thread.lock())).expect("a test that listens");
            }
        })
    }

    fn ask(&self) -> bool {
        self.ask.send(()).expect("a caller that runs");
        self.answers.recv_timeout(DEADLINE).expect("an answer")
    }
}

/// `system/dirtylimit.c`: its thread asks `migration_is_running` without the BQL. It keeps an
/// observer, has no token, and is not held up by who has the lock.
#[test]
fn the_dirty_limit_thread_watches_without_the_lock() {
    let _turn = my_turn();
    let mut thread = attach();
    let running = begin(&mut thread);
    let observer = migration::observer(&thread.lock(), Direction::Outgoing).expect("an object");
    let dirty_limit = Caller::start(move |asked, answer| {
        for () in asked {
            answer.send(observer.is_running()).expect("a test that listens");
        }
    });

    let bql = thread.lock();
    assert!(dirty_limit.ask(), "answered while this thread has the lock");
    drop(bql);
    end(running, &mut thread);
    assert!(!dirty_limit.ask(), "and after the object is gone");
}

/// A vCPU's thread does not hold the BQL while its guest runs. It locks first, and may ask at any
/// time.
#[test]
fn a_vcpu_locks_first_and_may_ask_at_any_time() {
    let _turn = my_turn();
    let mut thread = attach();
    let vcpu = Caller::that_locks(|bql| migration::is_running(bql));
    assert!(!vcpu.ask(), "before there is an object");
    let running = begin(&mut thread);
    assert!(vcpu.ask());
    end(running, &mut thread);
    assert!(!vcpu.ask(), "after it is gone");
}

/// `hw/virtio/virtio-balloon.c`: the balloon works on an I/O thread without the BQL, and acts on
/// the migration. It locks, and finds that it is not the migration thread.
#[test]
fn the_balloons_thread_acts_on_a_migration_with_the_lock() {
    let _turn = my_turn();
    let mut thread = attach();
    let balloon = Caller::that_locks(|bql| {
        assert!(!migration::thread_is_self(bql));
        migration::file_set_error(bql, "the balloon burst".into()).is_ok()
    });
    assert!(!balloon.ask(), "the word comes back: there is nothing to fail");
    let running = begin(&mut thread);
    let observer = migration::observer(&thread.lock(), Direction::Outgoing).expect("an object");
    assert!(balloon.ask(), "it is taken");
    let status = observer.wait(&mut thread, DEADLINE, |status, _| status.is_terminal());
    assert_eq!(status, MigrationStatus::Failed);
    let error = observer.error().expect("an error").to_string();
    assert_eq!(error, "a device reports: the balloon burst");
    end(running, &mut thread);
    assert!(!balloon.ask(), "and comes back again");
}
