//! claim: phase.made-by-the-phase-before
//! Lets a machine run on arrival that was paused at its source.
use engine::RunState;
use engine::incoming::Loaded;

fn wake(loaded: Loaded) -> Loaded {
    let _ = RunState::Running;
    loaded
}

fn main() {}
