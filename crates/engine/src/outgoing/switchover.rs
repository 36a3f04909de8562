//! Third phase: the machine stands still; the rest of memory and the devices go.
//!
//! Device state is saved with the BQL held into memory, and sent without it.

use std::os::fd::AsFd;
use std::time::Instant;

use bql::{BqlGuard, BqlUnlocked};
use rustix::event::PollFlags;
use wire::vmstate::{self, GlobalState, VmState};
use wire::{Footer, IdStr, Record, SectionHeader, Wire, vmdesc};

use crate::error::MigrationError;
use crate::guest_io::Piece;
use crate::host::VmStopped;
use crate::state::MigrationState;
use crate::status::MigrationStatus;

use super::finish::{Completed, Failed};
use super::ram::{RAM_SECTION_ID, RamSave};
use super::return_path::confirm;
use super::setup::configuration;
use super::stream::Stream;

/// The machine is stopped and its devices are saved.
#[derive(Debug)]
#[must_use = "it has to move on"]
pub struct Switchover {
    stopped: VmStopped,
    stream: Stream,
    ram: RamSave,
    /// Everything after memory's END, to the end of the stream.
    tail: Vec<u8>,
    began: Instant,
}

impl Switchover {
    pub(super) fn begin(
        state: &MigrationState,
        thread: &mut BqlUnlocked,
        stream: Stream,
        mut ram: RamSave,
    ) -> Result<Self, Failed> {
        let mut guard = thread.lock();
        let began = Instant::now();
        let stopped = VmStopped::stop(&*state.host.vm, &mut guard);
        if state.capabilities().pause_before_switchover {
            state.outgoing.progress.advance(MigrationStatus::PreSwitchover);
            if let Err(error) = guard.unlocked(|thread| pause(state, thread, &stream)) {
                drop(guard);
                return Err(Failed::new(stream, error).after_stop(stopped));
            }
        }
        state.outgoing.progress.advance(MigrationStatus::Device);
        let tail = save_devices(state, &guard, &stopped);
        drop(guard);
        if let Err(error) = ram.sync(state) {
            return Err(Failed::new(stream, error).after_stop(stopped));
        }
        Ok(Switchover { stopped, stream, ram, tail, began })
    }

    /// Sends the rest, and hears from the destination that it has everything.
    ///
    /// # Errors
    ///
    /// What to clean up instead.
    pub fn complete(
        mut self,
        state: &MigrationState,
        _thread: &mut BqlUnlocked,
    ) -> Result<Completed, Failed> {
        if let Err(error) = self.send_rest(state) {
            return Err(Failed::new(self.stream, error).after_stop(self.stopped));
        }
        let downtime = self.began.elapsed();
        if let Err(error) = self.stream.close(state) {
            return Err(Failed::without_stream(error).after_stop(self.stopped));
        }
        state.outgoing.progress.update(|info| info.downtime = downtime);
        Ok(Completed::new(self.stopped))
    }

    fn send_rest(&mut self, state: &MigrationState) -> Result<(), MigrationError> {
        self.ram.send_dirty(state, &mut self.stream, false)?;
        let mut end = Vec::new();
        RamSave::end(state, &self.stream, &mut end)?;
        self.stream.send_pieces(state, &mut [Piece::bytes(&end), Piece::bytes(&self.tail)])?;
        state.outgoing.progress.note_sent();
        let sent = self.stream.sent();
        state.outgoing.progress.update(|info| info.transferred = sent);
        if self.stream.channel().is_two_way() {
            confirm(state, &self.stream)?;
        }
        Ok(())
    }
}

/// Waits in `pre-switchover` for `migrate-continue` (`migration_switchover_prepare`).
fn pause(
    state: &MigrationState,
    _thread: &mut BqlUnlocked,
    stream: &Stream,
) -> Result<(), MigrationError> {
    let waited = state.outgoing.stop.wait_until_ready(state.go_on.as_fd(), PollFlags::IN);
    waited.map_err(|source| stream.broken(source))
}

/// Every device, EOF and the description (`qemu_savevm_state_complete_precopy`): what follows
/// END of `ram`.
fn save_devices(state: &MigrationState, bql: &BqlGuard<'_>, stopped: &VmStopped) -> Vec<u8> {
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

    Record::Eof.encode(&mut out);
    // A description beyond its bound is left out; no loader needs it.
    if let Ok(description) = description.finish() {
        Record::VmDescription(description).encode(&mut out);
    }
    out
}
