//! Rights over the machine, which a handle of its vCPUs has none of, and of which there is one.

use kvm_machine::{KvmMachine, VcpuThreads, Vcpus};
use migration::{Device, DirtyLog, Vm};
use static_assertions::{assert_impl_all, assert_not_impl_any};

// Any code may have a handle, so it is neither the machine's hooks nor its devices nor its log.
assert_impl_all!(Vcpus: Clone, Send, Sync);
assert_not_impl_any!(Vcpus: Vm, Device, DirtyLog);

// The threads are joined once, and the machine is not copied.
assert_not_impl_any!(VcpuThreads: Clone);
assert_not_impl_any!(KvmMachine: Clone);
