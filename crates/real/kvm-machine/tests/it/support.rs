//! What these tests share: a machine, its output, and the skip of a test without `/dev/kvm`.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kvm_machine::{KvmMachine, Position, Setup, Vcpus, fill_memory, kvm_machine};
use machine::Ram;
use migration::RunState;
use migration::bql::BqlUnlocked;

/// Returns whether KVM can be used. A test without it says that it was skipped, or fails with
/// `LASTREF_REQUIRE_KVM=1`.
#[track_caller]
pub(crate) fn kvm() -> bool {
    match kvm_machine::available() {
        Ok(()) => true,
        Err(error) => {
            let error = migration::error_chain(&error);
            assert!(
                std::env::var_os("LASTREF_REQUIRE_KVM").is_none_or(|set| set != "1"),
                "{error}"
            );
            println!("SKIPPED: {error}");
            false
        }
    }
}

/// The output of a serial port. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Output(Arc<Mutex<Vec<u8>>>);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

pub(crate) const SEED: u64 = 7;

/// A machine that is paused.
pub(crate) fn machine(
    thread: &mut BqlUnlocked,
    pages: usize,
    setup: Setup,
    state: RunState,
) -> KvmMachine {
    let ram = Arc::new(Ram::anonymous(pages << 12).expect("memory"));
    if state != RunState::InMigrate {
        fill_memory(&ram, SEED, setup.vcpus, || true);
    }
    kvm_machine(thread, ram, Setup { seed: SEED, ..setup }, state).expect("a machine")
}

/// Lets the machine run until `done`, and returns where it stopped.
pub(crate) fn run_until(
    thread: &mut BqlUnlocked,
    vcpus: &Vcpus,
    what: &str,
    done: impl Fn(&[Position]) -> bool,
) -> Vec<Position> {
    let limit = Instant::now() + Duration::from_secs(30);
    loop {
        assert!(vcpus.cont(&mut thread.lock()), "{:?}", vcpus.failure(&thread.lock()));
        std::thread::sleep(Duration::from_millis(5));
        let mut bql = thread.lock();
        vcpus.stop(&mut bql);
        assert_eq!(vcpus.failure(&bql), None);
        let positions = vcpus.positions(&bql).expect("vCPUs that are stopped");
        if done(&positions) {
            return positions;
        }
        assert!(Instant::now() < limit, "{what}: {positions:?}");
    }
}
