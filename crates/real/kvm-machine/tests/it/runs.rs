//! The guest runs, does what its workload says, and can be stopped anywhere.

use kvm_machine::Setup;
use migration::RunState;
use test_support::machine::attach;

use crate::support::{Output, kvm, machine, run_until};

#[test]
fn every_write_is_where_and_what_the_workload_says() {
    if !kvm() {
        return;
    }
    let mut thread = attach();
    for (vcpus, pages, rate) in
        [(1, 64, u64::MAX), (2, 1001, 50_000), (3, 3, u64::MAX), (8, 4096, 1000)]
    {
        let output = Output::default();
        let setup = Setup { vcpus, rate, serial: Box::new(output.clone()), ..Setup::default() };
        let machine = machine(&mut thread, pages, setup, RunState::Paused);
        let vcpus = machine.running.vcpus().clone();
        let positions = run_until(&mut thread, &vcpus, "writes", |positions| {
            positions.iter().all(|position| position.writes > 100) && output.bytes().len() > 3 * 34
        });
        for position in &positions {
            assert_eq!(position.faults, 0);
            assert!(position.noticed.is_nothing(), "{}", position.noticed);
        }
        vcpus.verify_memory(&thread.lock(), &positions).expect("every word");
        let lines = vcpus.verify_lines(&thread.lock(), positions[0].writes, &output.bytes());
        assert!(lines.expect("every character") >= 3);
        machine.running.join(&mut thread);
    }
}
