//! The description after EOF: nobody waits for it once the machine is given away.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bql::{BqlGuard, BqlUnlocked};
use engine::{
    Device, Direction, Endpoint, Host, MigrationState, RestoreError, RunState, Uri, Vm, VmArrived,
    VmStopped, VmWaiting,
};
use test_support::machine::{Script, Site, attach};
use test_support::peer;
use test_support::stream::encoded;
use wire::vmstate::{Fields, VmState};
use wire::{Command, DecodeError, Decoder, IdStr, Record, ReturnMessage, Wire};

/// More fields than a description of 16 MiB has room for, which a VM with many devices has too.
#[derive(Clone)]
struct Many(Vec<u64>);

const NAME: &str = "a_field_with_a_name_that_is_rather_long_so_that_not_so_many_of_them_are_needed_\
for_a_description_that_is_longer_than_the_bound_of_it_which_is_sixteen_mebibytes_of_json";

impl VmState for Many {
    const NAME: &'static str = "many";
    const VERSION: u32 = 1;
    const MINIMUM_VERSION: u32 = 1;

    fn fields(&mut self, f: &mut dyn Fields) -> Result<(), DecodeError> {
        self.0.iter_mut().try_for_each(|value| f.u64(NAME, value))
    }
}

impl Default for Many {
    fn default() -> Self {
        Many(vec![0; 100_000])
    }
}

struct Machine(Mutex<RunState>);
struct Hooks(Arc<Machine>);

impl Vm for Hooks {
    fn run_state(&self, _: &BqlGuard<'_>) -> RunState {
        *self.0.0.lock().unwrap()
    }
    fn stop_for_migration(&self, _: &mut BqlGuard<'_>) -> RunState {
        *self.0.0.lock().unwrap() = RunState::FinishMigrate;
        RunState::Running
    }
    fn resume_after_failure(&self, _: &mut BqlGuard<'_>, _: &VmStopped) {
        *self.0.0.lock().unwrap() = RunState::Running;
    }
    fn has_moved(&self, _: &mut BqlGuard<'_>, _: &VmStopped) {
        *self.0.0.lock().unwrap() = RunState::PostMigrate;
    }
    fn has_arrived(&self, _: &mut BqlGuard<'_>, arrived: &VmArrived) {
        *self.0.0.lock().unwrap() = arrived.at_source();
    }
}

impl Device for Hooks {
    type State = Many;
    fn save(&self, _: &BqlGuard<'_>, _: &VmStopped) -> Many {
        Many::default()
    }
    fn restore(&self, _: &mut BqlGuard<'_>, _: Many, _: &VmWaiting) -> Result<(), RestoreError> {
        Ok(())
    }
}

fn site(state: RunState) -> (Arc<Machine>, Arc<MigrationState>) {
    let machine = Arc::new(Machine(Mutex::new(state)));
    let host = Host::new("m", Hooks(machine.clone()))
        .device(IdStr::new("many").unwrap(), 0, Hooks(machine.clone()))
        .unwrap();
    (machine, MigrationState::new(host).unwrap())
}

fn end(
    thread: &mut BqlUnlocked,
    object: &MigrationState,
    direction: Direction,
    limit: u64,
) -> String {
    let observer = object.observer(direction);
    let limit = Duration::from_secs(limit);
    let status = observer.wait(thread, limit, |status, _| status.is_terminal());
    format!("{status} {:?}", observer.error().map(|error| engine::error_chain(&*error)))
}

#[test]
fn two_ends_of_ours_agree_about_a_machine_with_many_fields() {
    let mut thread = attach();
    let (_, source) = site(RunState::Running);
    let (_, destination) = site(RunState::InMigrate);
    let (here, peer) = peer::pair();
    let there = Endpoint::with_fd(Uri::Fd(0), peer.into());
    engine::migrate_incoming(destination.clone(), &mut thread.lock(), there).unwrap();
    engine::migrate(source.clone(), &mut thread.lock(), here).unwrap();
    let sent = end(&mut thread, &source, Direction::Outgoing, 15);
    let received = end(&mut thread, &destination, Direction::Incoming, 1);
    let course = source.observer(Direction::Outgoing).course();
    assert!(
        sent.starts_with("completed") && received.starts_with("completed"),
        "sent: {sent}, received: {received}, all of the stream went: {}",
        course.sent.is_some()
    );
}

#[test]
fn a_destination_that_was_given_the_machine_says_so_without_a_description() {
    let mut thread = attach();
    let site = Site::destination(4, Script::default());
    let (endpoint, mut peer) = peer::pair();
    site.migrate_incoming(&mut thread, endpoint).expect("an idle object");
    let mut out = peer::head();
    out.extend(encoded(&Record::Command(Command::OpenReturnPath)));
    out.extend(peer::memory_start(4, false));
    let mut tail = peer::memory_end_and_devices(false);
    let eof = tail.pop().expect("EOF");
    out.extend(tail);
    out.extend(encoded(&Record::Command(Command::Ping(0x4c52_4459))));
    peer.write_all(&out).expect("room");
    let mut input = Decoder::new(&peer);
    let pong = ReturnMessage::decode(&mut input).expect("an answer");
    assert!(matches!(pong, ReturnMessage::Pong(0x4c52_4459)), "{pong:?}");
    (&peer).write_all(&[eof]).expect("room");
    // And no description: it waits for the word.
    peer.set_read_timeout(Some(Duration::from_secs(5))).expect("a limit");
    let word = ReturnMessage::decode(&mut input);
    assert!(
        matches!(word, Ok(ReturnMessage::Shut(0))),
        "{word:?}; the destination is {} and its machine {}",
        site.object.status(Direction::Incoming),
        site.machine.run_state().name()
    );
}
