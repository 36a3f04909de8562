//! A survey with its device sections matched to the VM description.

use std::collections::HashMap;

use migration::error_chain;
use wire::layout::{Layout, StateLayout};
use wire::parser::SectionKind;

use super::input::Image;
use super::survey::{Entry, Section, Survey, What};

/// What `inspect` prints.
pub(crate) struct Report {
    pub(crate) survey: Survey,
    pub(crate) image: Option<Image>,
    /// For each entry of the survey, the index of its device in the layout.
    devices: Vec<Option<usize>>,
    /// The first section whose payload is not as the description says.
    mismatch: Option<String>,
}

/// The records that tell kinds of streams apart.
#[derive(Default)]
struct Kinds {
    package: bool,
    part: bool,
    /// The END of `ram`, which a background snapshot lacks.
    end: bool,
    eof: bool,
}

impl Report {
    pub(crate) fn of(survey: Survey, image: Option<Image>) -> Report {
        let devices = match &survey.layout {
            Some(layout) => matched(&survey.entries, layout),
            None => vec![None; survey.entries.len()],
        };
        let mut report = Report { survey, image, devices, mismatch: None };
        report.mismatch = (0..report.survey.entries.len()).find_map(|index| report.check(index));
        report
    }

    /// Returns the kind of stream, for people.
    pub(crate) fn format(&self) -> &'static str {
        let survey = &self.survey;
        let mut kinds = Kinds::default();
        for entry in &survey.entries {
            match &entry.what {
                What::Command { name: "PACKAGED", .. } => kinds.package = true,
                What::Parts(list) => {
                    kinds.part |= list.iter().any(|parts| parts.section.name == "ram");
                }
                What::Section(section) if section.name == "ram" => {
                    kinds.end |= section.kind == SectionKind::End;
                }
                What::Eof => kinds.eof = true,
                _ => {}
            }
        }
        if survey.blocks.iter().any(|block| block.mapped.is_some()) {
            "mapped-ram"
        } else if survey.multifd {
            "multifd main channel"
        } else if kinds.package {
            "postcopy"
        } else if kinds.part && kinds.eof && !kinds.end {
            "background snapshot"
        } else {
            "plain"
        }
    }

    /// Returns the payload of a device section and its layout, if both are known.
    pub(crate) fn device(&self, index: usize) -> Option<(&Section, &[u8], &StateLayout)> {
        let What::Section(section) = &self.survey.entries.get(index)?.what else { return None };
        let layout = self.survey.layout.as_ref()?;
        let device = layout.devices.get((*self.devices.get(index)?)?)?;
        Some((section, section.payload.as_deref()?, &device.state))
    }

    /// Returns why the stream is not whole and well.
    pub(crate) fn failure(&self) -> Option<String> {
        if let Some(damage) = &self.survey.damage {
            return Some(error_chain(damage));
        }
        if let Some(error) = &self.survey.description_error {
            return Some(format!("the VM description is not one: {error}"));
        }
        self.mismatch.clone()
    }

    fn check(&self, index: usize) -> Option<String> {
        let (section, payload, state) = self.device(index)?;
        let mut error = state.decode(payload, &mut |_| ()).err()?;
        error.offset += section.payload_at;
        error.section = Some(format!("section {:?} (id {})", section.name, section.id));
        Some(error.to_string())
    }
}

/// Finds the device of each section. Both are in the same order, so each search begins after the
/// device before.
fn matched(entries: &[Entry], layout: &Layout) -> Vec<Option<usize>> {
    let mut places: HashMap<(&str, u64), Vec<usize>> = HashMap::new();
    for (index, device) in layout.devices.iter().enumerate() {
        places.entry((&device.name, device.instance_id)).or_default().push(index);
    }
    let mut next = 0;
    let device = |entry: &Entry| {
        let What::Section(section) = &entry.what else { return None };
        section.payload.as_ref()?;
        let places = places.get(&(section.name.as_str(), section.instance.into()))?;
        let found = *places.get(places.partition_point(|place| *place < next))?;
        next = found + 1;
        Some(found)
    };
    entries.iter().map(device).collect()
}
