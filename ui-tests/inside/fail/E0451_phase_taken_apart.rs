//! claim: phase.only-the-engine-stops
//! Takes the last phase apart with a pattern, to keep the proof when the rest is gone.
use engine::VmStopped;
use engine::outgoing::Switchover;

fn steal(last: Switchover, real: VmStopped) -> (Option<Switchover>, VmStopped) {
    let Switchover { stopped, .. } = last; //~ E0451 stopped
    drop(real);
    (None, stopped)
}

fn main() {}
