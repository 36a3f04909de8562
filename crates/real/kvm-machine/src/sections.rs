//! The sections of the stream: each saves a part of what was read at the stop, and keeps what
//! arrived until the machine settles.

use migration::bql::BqlGuard;
use migration::{Device, RestoreError, VmStopped, VmWaiting};
use wire::vmstate::VmState;

use crate::devices;
use crate::state::vcpu::VcpuState;
use crate::state::vm::{ClockState, IrqchipState, PitState};
use crate::state::{DoorbellState, GuestState, SerialPortState};
use crate::vcpus::{Received, Saved, Vcpus};

/// A section of the machine.
pub(crate) trait Section: VmState + Clone + Send + 'static {
    /// Returns this section of the saved state.
    fn saved(saved: &Saved, instance: usize) -> Option<&Self>;

    /// Returns where the section waits after it has arrived.
    fn place(received: &mut Received, instance: usize) -> Option<&mut Option<Self>>;

    /// Checks a section that has arrived.
    fn check(&self, _here: &GuestState) -> Result<(), RestoreError> {
        Ok(())
    }
}

/// The device of a section.
pub(crate) struct SectionOf<S> {
    vcpus: Vcpus,
    instance: usize,
    section: std::marker::PhantomData<fn() -> S>,
}

impl<S> SectionOf<S> {
    pub(crate) fn new(vcpus: &Vcpus, instance: usize) -> Self {
        SectionOf { vcpus: vcpus.clone(), instance, section: std::marker::PhantomData }
    }
}

impl<S: Section> Device for SectionOf<S> {
    type State = S;

    fn save(&self, bql: &BqlGuard<'_>, _stopped: &VmStopped) -> S {
        let saved = self.vcpus.shared.run.borrow(bql).saved.as_ref();
        // Without a saved state the migration has failed already.
        saved.and_then(|saved| S::saved(saved, self.instance)).cloned().unwrap_or_default()
    }

    fn restore(
        &self,
        bql: &mut BqlGuard<'_>,
        state: S,
        _waiting: &VmWaiting,
    ) -> Result<(), RestoreError> {
        let run = self.vcpus.shared.run.borrow_mut(bql);
        state.check(&run.guest)?;
        if let Some(place) = S::place(&mut run.received, self.instance) {
            *place = Some(state);
        }
        Ok(())
    }
}

/// Makes a section of a field of the saved state.
macro_rules! section {
    ($state:ty, $saved:expr, $place:ident $(, $check:expr)?) => {
        impl Section for $state {
            fn saved(saved: &Saved, _instance: usize) -> Option<&Self> {
                let field: fn(&Saved) -> &Self = $saved;
                Some(field(saved))
            }

            fn place(received: &mut Received, _instance: usize) -> Option<&mut Option<Self>> {
                Some(&mut received.$place)
            }

            $(
                fn check(&self, _here: &GuestState) -> Result<(), RestoreError> {
                    $check(self)
                }
            )?
        }
    };
}

section!(IrqchipState, |saved| &saved.parts.irqchip, irqchip);
section!(PitState, |saved| &saved.parts.pit, pit);
section!(ClockState, |saved| &saved.parts.clock, clock);
section!(SerialPortState, |saved| &saved.serial, serial, devices::check);
section!(DoorbellState, |saved| &saved.doorbell, doorbell);

impl Section for VcpuState {
    fn saved(saved: &Saved, instance: usize) -> Option<&Self> {
        saved.vcpus.get(instance)
    }

    fn place(received: &mut Received, instance: usize) -> Option<&mut Option<Self>> {
        received.vcpus.get_mut(instance)
    }

    fn check(&self, _here: &GuestState) -> Result<(), RestoreError> {
        if self.is_whole() {
            return Ok(());
        }
        Err(RestoreError(
            "its source could not read the vCPU, or the counts in it are wrong".into(),
        ))
    }
}

/// Difference of two frequencies that the same counter may have, measured twice, in parts per
/// million: KVM's own tolerance (`tsc_tolerance_ppm` of `arch/x86/kvm/x86.c`).
const TOLERANCE_PPM: u64 = 250;

impl Section for GuestState {
    fn saved(saved: &Saved, _instance: usize) -> Option<&Self> {
        Some(&saved.guest)
    }

    /// Makes room for a new arrival: this section is the first, and what an earlier attempt left is
    /// not mixed with it.
    fn place(received: &mut Received, _instance: usize) -> Option<&mut Option<Self>> {
        let vcpus = vec![None; received.vcpus.len()];
        *received = Received { vcpus, ..Received::default() };
        Some(&mut received.guest)
    }

    fn check(&self, here: &GuestState) -> Result<(), RestoreError> {
        let differs = |what: &str, at_source: u64, here: u64| {
            RestoreError(format!("the source has {at_source} {what}, and there are {here}"))
        };
        for (what, at_source, here) in [
            ("vCPUs", u64::from(self.vcpus), u64::from(here.vcpus)),
            ("pages of RAM", self.pages, here.pages),
        ] {
            if at_source != here {
                return Err(differs(what, at_source, here));
            }
        }
        // A guest counts time in ticks, and this machine does not scale them.
        let (at_source, here) = (u64::from(self.tsc_khz), u64::from(here.tsc_khz));
        if at_source.abs_diff(here) * 1_000_000 > here * TOLERANCE_PPM {
            return Err(differs("kHz of the TSC", at_source, here));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_that_differs_is_refused_but_for_a_counter_that_was_measured_twice() {
        let here = GuestState { seed: 1, pages: 64, vcpus: 2, tsc_khz: 2_500_000 };
        let check = |there: GuestState| there.check(&here).map_err(|error| error.0);
        assert_eq!(check(GuestState { seed: 9, tsc_khz: 2_500_600, ..here }), Ok(()));
        for (there, words) in [
            (GuestState { vcpus: 3, ..here }, "the source has 3 vCPUs, and there are 2"),
            (GuestState { pages: 65, ..here }, "the source has 65 pages of RAM, and there are 64"),
            (
                GuestState { tsc_khz: 2_501_000, ..here },
                "the source has 2501000 kHz of the TSC, and there are 2500000",
            ),
            (GuestState { tsc_khz: u32::MAX, ..here }, "the source has 4294967295 kHz of the TSC"),
        ] {
            let error = check(there).expect_err(words);
            assert!(error.starts_with(words), "{error}");
        }
    }

    #[test]
    fn what_an_earlier_attempt_left_is_gone_when_the_next_begins() {
        let mut received = Received { vcpus: vec![None; 2], ..Received::default() };
        *SerialPortState::place(&mut received, 0).expect("a place") = Some(Default::default());
        *VcpuState::place(&mut received, 1).expect("a place") = Some(Default::default());
        *GuestState::place(&mut received, 0).expect("a place") = Some(Default::default());
        assert!(received.serial.is_none() && received.guest.is_some());
        assert!(received.vcpus.iter().all(Option::is_none) && received.vcpus.len() == 2);
        assert!(VcpuState::place(&mut received, 2).is_none(), "there is no third");
    }
}
