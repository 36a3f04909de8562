//! The phase `Switchover`: the machine is stopped, and the rest of memory and the devices are sent.
//!
//! Device state is saved to a buffer with the BQL held, and sent without it.

use std::os::fd::AsFd;
use std::time::Instant;

use bql::{BqlGuard, BqlUnlocked};
use rustix::event::PollFlags;
use wire::vmstate::{self, GlobalState, VmState};
use wire::{Footer, IdStr, Record, SectionHeader, Wire, vmdesc};

use crate::agreement::READY_PING;
use crate::attempt::Begun;
use crate::error::MigrationError;
use crate::fate::Whereabouts;
use crate::memory::guest_io::Piece;
use crate::rights::VmStopped;
use crate::state::MigrationState;
use crate::status::MigrationStatus;

use super::finish::{Completed, Failed, NotCompleted, Uncertain};
use super::pass;
use super::ram::{RAM_SECTION_ID, RamSave};
use super::return_path::{catch_up, last_word};
use super::setup::configuration;
use super::stream::{Stream, broken};

/// The machine is stopped, and its devices are saved. Next: [`complete`](Switchover::complete).
#[derive(Debug)]
#[must_use = "it has to move on"]
pub struct Switchover {
    begun: Begun,
    stopped: VmStopped,
    stream: Stream,
    ram: RamSave,
    tail: Tail,
    began: Instant,
}

/// The part of the stream after memory's END.
#[derive(Debug, Default)]
struct Tail {
    devices: Vec<u8>,
    /// EOF and the VM description, which is only for tools.
    end: Vec<u8>,
}

impl Switchover {
    pub(super) fn begin(
        begun: Begun,
        thread: &mut BqlUnlocked,
        mut stream: Stream,
        mut ram: RamSave,
    ) -> Result<Self, Failed> {
        let state = begun.state();
        let mut guard = thread.lock();
        let began = Instant::now();
        let stopped = VmStopped::stop(&state.host, &mut guard);
        stream.lift_limit();
        if state.capabilities().pause_before_switchover {
            state.outgoing.progress.advance(MigrationStatus::PreSwitchover);
            if let Err(error) = guard.unlocked(|thread| pause(state, thread)) {
                drop(guard);
                return Err(Failed::new(begun, stream, error).after_stop(stopped));
            }
        }
        state.outgoing.progress.advance(MigrationStatus::Device);
        let tail = save_devices(state, &guard, &stopped);
        drop(guard);
        if let Err(error) = ram.sync(state) {
            return Err(Failed::new(begun, stream, error).after_stop(stopped));
        }
        Ok(Switchover { begun, stopped, stream, ram, tail, began })
    }

    /// Sends the rest, gives the machine away, and waits for the destination's confirmation.
    ///
    /// # Errors
    ///
    /// Returns the failed or uncertain migration, to be cleaned up.
    pub fn complete(self, _thread: &mut BqlUnlocked) -> Result<Completed, NotCompleted> {
        phase!("complete");
        let Switchover { begun, stopped, mut stream, ram, tail, began } = self;
        let state = begun.state();
        if let Err(error) = send_rest(state, &mut stream, ram, &tail.devices) {
            return Err(Failed::new(begun, stream, error).after_stop(stopped).into());
        }
        if let Err(error) = give_away(state, &mut stream, &tail.end) {
            return Err(not_completed(begun, Some(stream), stopped, error));
        }
        let downtime = began.elapsed();
        if let Err(error) = stream.close(state) {
            return Err(not_completed(begun, None, stopped, error));
        }
        state.outgoing.progress.update(|info| info.downtime = downtime);
        Ok(Completed::new(begun, stopped))
    }
}

/// Makes the end of a migration that did not complete, according to the attempt's fate.
fn not_completed(
    begun: Begun,
    stream: Option<Stream>,
    stopped: VmStopped,
    error: MigrationError,
) -> NotCompleted {
    let whereabouts = begun.state().outgoing.fate.get();
    match (whereabouts, stream) {
        (Whereabouts::Source, Some(stream)) => {
            Failed::new(begun, stream, error).after_stop(stopped).into()
        }
        (Whereabouts::Source, None) => {
            Failed::without_stream(begun, error).after_stop(stopped).into()
        }
        (Whereabouts::Unknown | Whereabouts::Destination { .. }, stream) => {
            Uncertain::new(begun, stream, stopped, error).into()
        }
    }
}

/// Sends the rest of memory, and the devices. When this returns, the destination has loaded all of
/// it, if it can answer.
fn send_rest(
    state: &MigrationState,
    stream: &mut Stream,
    mut ram: RamSave,
    devices: &[u8],
) -> Result<(), MigrationError> {
    pass::while_it_is_stopped(state, stream, &mut ram)?;
    let mut end = Vec::new();
    ram.end(stream, &mut end)?;
    stream.send_pieces(state, &mut [Piece::bytes(&end), Piece::bytes(devices)])?;
    catch_up(state, stream, READY_PING)
}

/// Passes the point of no return: sends EOF, after which the destination may start the machine, and
/// waits for its answer.
///
/// The result is in the attempt's [`Fate`](crate::fate::Fate), even if this panics.
fn give_away(
    state: &MigrationState,
    stream: &mut Stream,
    end: &[u8],
) -> Result<(), MigrationError> {
    stream.send_last(state, end)?;
    state.outgoing.progress.note_sent();
    if stream.channel().is_two_way() { last_word(state, stream) } else { Ok(()) }
}

/// Waits in `pre-switchover` for `migrate-continue` (`migration_switchover_prepare`).
fn pause(state: &MigrationState, _thread: &mut BqlUnlocked) -> Result<(), MigrationError> {
    let waited = state.outgoing.stop.wait_until_ready(state.continued.as_fd(), PollFlags::IN);
    waited.map_err(|source| broken(state, source))
}

/// Saves every device, and builds the description (`qemu_savevm_state_complete_precopy`).
fn save_devices(state: &MigrationState, bql: &BqlGuard<'_>, stopped: &VmStopped) -> Tail {
    let mut out = Vec::new();
    let mut description = vmdesc::Builder::new(&configuration(state));
    let mut section_id = RAM_SECTION_ID;
    for entry in &state.host.devices {
        section_id += 1;
        let header = entry.header(section_id);
        Record::Full(header.clone()).encode(&mut out);
        let fields = entry.device.save(bql, stopped, &mut out);
        Footer { section_id }.encode(&mut out);
        description.device(&header.idstr, header.instance_id, fields);
    }

    section_id += 1;
    let (Ok(idstr), Ok(global_state)) =
        (IdStr::new(GlobalState::NAME), GlobalState::new(stopped.was().name()))
    else {
        unreachable!("the names of the section and of a run state are short texts");
    };
    Record::Full(SectionHeader {
        section_id,
        idstr: idstr.clone(),
        instance_id: 0,
        version_id: GlobalState::VERSION,
    })
    .encode(&mut out);
    let fields = vmstate::save(&global_state, &mut out);
    Footer { section_id }.encode(&mut out);
    description.device(&idstr, 0, fields);

    let mut end = Vec::new();
    Record::Eof.encode(&mut end);
    // No loader needs the description, but QEMU's waits for one. If it is too long, an empty one is
    // sent.
    let description = description.finish().unwrap_or_default();
    Record::VmDescription(description).encode(&mut end);
    Tail { devices: out, end }
}
