//! Scripted machines that live as long as their migration object.

use std::cell::Cell;

use migration::{Host, RunState};
use test_support::machine::{Machine, Script, Trace};

/// A machine of some pages that runs, and what is done to it.
pub(crate) fn machine(pages: usize, script: Script) -> (Host, Trace) {
    machine_in(RunState::Running, pages, script)
}

/// A machine in this state, and what is done to it. No page is zero, so each has to be sent.
pub(crate) fn machine_in(state: RunState, pages: usize, script: Script) -> (Host, Trace) {
    let machine = Machine::new(pages, state, script);
    for page in 0..pages {
        machine.write(page, 1);
    }
    (machine.host(), machine.told())
}

thread_local! {
    static DOES: Cell<RunState> = const { Cell::new(RunState::Running) };
}

/// Says what an [`obliging_machine`] does when this thread's next command asks for it.
pub(crate) fn does(state: RunState) {
    DOES.set(state);
}

/// A machine that runs for a thread that moves it away, and waits for one that moves it here.
pub(crate) fn obliging_machine(pages: usize) -> (Host, Trace) {
    machine(pages, Script { run_state: Some(Box::new(|| DOES.get())), ..Script::default() })
}
