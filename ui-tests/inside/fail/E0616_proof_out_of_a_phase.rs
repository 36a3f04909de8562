//! claim: phase.only-the-engine-stops
//! Takes the proof out of the phase that owns it.
use engine::VmStopped;
use engine::outgoing::Switchover;

fn steal(last: Switchover, real: VmStopped) -> (Option<Switchover>, VmStopped) {
    let _ = real;
    (None, last.stopped) //~ E0616 stopped
}

fn main() {}
