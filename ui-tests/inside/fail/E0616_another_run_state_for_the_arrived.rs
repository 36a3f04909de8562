//! claim: phase.made-by-the-phase-before
//! Lets a machine run on arrival that was paused at its source.
use engine::RunState;
use engine::incoming::Loaded;

fn wake(mut loaded: Loaded) -> Loaded {
    loaded.at_source = RunState::Running; //~ E0616 at_source
    loaded
}

fn main() {}
