//! claim: face.machine-state-under-the-lock
//! Joins the thread of a vCPU with the BQL held, which it needs to end.
use machine::VcpuThread;
use migration::bql::BqlGuard;

fn end(vcpu: VcpuThread, bql: &mut BqlGuard<'_>) {
    bql.unlocked(|thread| vcpu.join(thread));
}

fn main() {}
