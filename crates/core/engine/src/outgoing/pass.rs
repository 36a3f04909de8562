//! Makes one pass over memory: sends every page that is dirty when the pass begins, once.

use std::time::Instant;

use crate::course::Pass;
use crate::error::MigrationError;
use crate::state::MigrationState;

use super::ram::RamSave;
use super::return_path::catch_up;
use super::stream::Stream;

/// Sends a pass while the machine runs, and waits until the destination has loaded it. Passes have
/// a `number`, from 1.
pub(super) fn while_it_runs(
    state: &MigrationState,
    stream: &mut Stream,
    ram: &mut RamSave,
    number: u32,
) -> Result<(), MigrationError> {
    noted(state, ram, false, |ram| {
        let sent = state.outgoing.progress.transferred();
        ram.send_dirty(state, stream)?;
        // A pass that sent nothing needs no answer.
        if state.outgoing.progress.transferred() > sent {
            catch_up(state, stream, number)?;
        }
        Ok(())
    })
}

/// Sends the last pass, while the machine is stopped.
pub(super) fn while_it_is_stopped(
    state: &MigrationState,
    stream: &mut Stream,
    ram: &mut RamSave,
) -> Result<(), MigrationError> {
    noted(state, ram, true, |ram| ram.send_dirty(state, stream))
}

/// Runs a pass and records what it sent, even if it was broken off.
fn noted(
    state: &MigrationState,
    ram: &mut RamSave,
    stopped: bool,
    send: impl FnOnce(&mut RamSave) -> Result<(), MigrationError>,
) -> Result<(), MigrationError> {
    let progress = &state.outgoing.progress;
    let (began, before, dirty) = (Instant::now(), progress.info(), ram.dirty_pages());
    let sent = send(ram);
    let after = progress.info();
    progress.note_pass(|number| Pass {
        number,
        began,
        ended: Instant::now(),
        dirty,
        normal: after.normal - before.normal,
        duplicate: after.duplicate - before.duplicate,
        bytes: after.transferred - before.transferred,
        stopped,
    });
    sent
}
