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

impl Section for GuestState {
    fn saved(saved: &Saved, _instance: usize) -> Option<&Self> {
        Some(&saved.guest)
    }

    fn place(received: &mut Received, _instance: usize) -> Option<&mut Option<Self>> {
        Some(&mut received.guest)
    }

    fn check(&self, here: &GuestState) -> Result<(), RestoreError> {
        for (what, at_source, here) in [
            ("vCPUs", u64::from(self.vcpus), u64::from(here.vcpus)),
            ("pages of RAM", self.pages, here.pages),
            // A guest counts time in ticks, and this machine does not scale them.
            ("kHz of the TSC", self.tsc_khz.into(), here.tsc_khz.into()),
        ] {
            if at_source != here {
                return Err(RestoreError(format!(
                    "the source has {at_source} {what}, and there are {here}"
                )));
            }
        }
        Ok(())
    }
}
