//! The kick of `src/kick.rs` in every interleaving, with each rule of it broken once.
//!
//! A program of its own: it is built with `--cfg loom`. The kernel's part is modelled, as
//! Documentation/virt/kvm/api.rst (section 5, `immediate_exit`) describes it.
//!
//! `RUSTFLAGS="--cfg loom" cargo test --release -p lastref-kvm-machine --test loom -- --nocapture`
#![cfg(loom)]

use alternatives::model::{breaks_for_good, holds};
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

/// One rule of the protocol that is broken, or none.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mistake {
    None,
    /// The signal is sent before `immediate_exit` is set.
    SignalFirst,
    /// There is no signal.
    NoSignal,
    /// `immediate_exit` is cleared without the BQL, after the vCPU counts as executing.
    WithdrawnWithoutTheLock,
}

/// What the BQL guards.
#[derive(Default)]
struct Run {
    executes: bool,
    quit: bool,
}

struct Vcpu {
    mistake: Mistake,
    immediate_exit: AtomicBool,
    /// Whether a signal is pending for the vCPU's thread.
    signal: Mutex<bool>,
    /// An interrupt of the processor that runs the guest.
    interrupt: Condvar,
    run: Mutex<Run>,
    changed: Condvar,
}

impl Vcpu {
    fn new(mistake: Mistake) -> Arc<Self> {
        Arc::new(Vcpu {
            mistake,
            immediate_exit: AtomicBool::new(false),
            signal: Mutex::new(false),
            interrupt: Condvar::new(),
            run: Mutex::new(Run::default()),
            changed: Condvar::new(),
        })
    }

    /// `KVM_RUN`, which returns `EINTR`. The guest never leaves by itself.
    fn kvm_run(&self) {
        if self.immediate_exit.load(Ordering::SeqCst) {
            return;
        }
        // The check for signals and the entry are one step for whoever sends one.
        let mut signal = self.signal.lock().unwrap();
        while !*signal {
            signal = self.interrupt.wait(signal).unwrap();
        }
    }

    /// The signal's handler runs, as soon as the thread is outside the kernel.
    fn handle_signal(&self) {
        *self.signal.lock().unwrap() = false;
    }

    fn send_signal(&self) {
        *self.signal.lock().unwrap() = true;
        self.interrupt.notify_one();
    }

    /// The thread of the vCPU: `Shared::main` and `Shared::execute`.
    fn main(&self) {
        let mut run = self.run.lock().unwrap();
        if run.quit {
            return;
        }
        run.executes = true;
        if self.mistake != Mistake::WithdrawnWithoutTheLock {
            self.immediate_exit.store(false, Ordering::SeqCst);
        }
        drop(run);
        if self.mistake == Mistake::WithdrawnWithoutTheLock {
            self.immediate_exit.store(false, Ordering::SeqCst);
        }
        loop {
            self.handle_signal();
            self.kvm_run();
            if self.immediate_exit.load(Ordering::SeqCst) {
                break;
            }
        }
        self.run.lock().unwrap().executes = false;
        self.changed.notify_all();
    }

    /// A stop: `Shared::wait_until_out`.
    fn stop(&self) {
        let mut run = self.run.lock().unwrap();
        run.quit = true;
        if !run.executes {
            return;
        }
        match self.mistake {
            Mistake::SignalFirst => {
                self.send_signal();
                self.immediate_exit.store(true, Ordering::SeqCst);
            }
            Mistake::NoSignal => self.immediate_exit.store(true, Ordering::SeqCst),
            Mistake::None | Mistake::WithdrawnWithoutTheLock => {
                self.immediate_exit.store(true, Ordering::SeqCst);
                self.send_signal();
            }
        }
        while run.executes {
            run = self.changed.wait(run).unwrap();
        }
    }
}

fn model(mistake: Mistake) -> impl Fn() + Send + Sync + 'static {
    move || {
        let vcpu = Vcpu::new(mistake);
        let its = Arc::clone(&vcpu);
        let thread = thread::spawn(move || its.main());
        vcpu.stop();
        thread.join().unwrap();
    }
}

#[test]
fn a_vcpu_that_is_kicked_comes_out() {
    holds("kick", None, model(Mistake::None));
}

#[test]
fn each_rule_of_the_kick_is_needed() {
    for (name, mistake) in [
        ("the signal first", Mistake::SignalFirst),
        ("no signal", Mistake::NoSignal),
        ("withdrawn without the lock", Mistake::WithdrawnWithoutTheLock),
    ] {
        breaks_for_good(name, "deadlock", model(mistake));
    }
}
