//! All that a run has found, as it goes to a file and comes back.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::measurement::Measurement;
use super::rows::Row;
use super::statistics::Spread;

/// A whole run.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Results {
    pub(crate) host: Host,
    /// What was run.
    pub(crate) command: String,
    /// RAM of every row, in bytes.
    pub(crate) memory: u64,
    /// Where the RAM files were.
    pub(crate) place: String,
    pub(crate) rows: Vec<RowResult>,
    pub(crate) growth: Vec<Growth>,
    pub(crate) writing: Option<Writing>,
    /// What was left out, and why.
    pub(crate) left_out: Vec<String>,
}

impl Results {
    /// Writes the file: a line for each round and for each list of figures.
    ///
    /// # Errors
    ///
    /// If a figure is no number.
    pub(crate) fn to_json(&self) -> serde_json::Result<String> {
        let mut text = String::new();
        write_lines(&mut text, &serde_json::to_value(self)?, 0);
        Ok(text + "\n")
    }
}

/// How deep a round is in the file.
const ROUND: usize = 4;

/// Writes a value, each part on a line of its own, down to rounds and to what has no deeper parts.
fn write_lines(text: &mut String, value: &Value, depth: usize) {
    let is_plain = |part: &Value| !part.is_array() && !part.is_object();
    let (brackets, parts): (_, Vec<(String, &Value)>) = match value {
        Value::Array(parts) if depth < ROUND && !parts.iter().all(is_plain) => {
            (('[', ']'), parts.iter().map(|part| (String::new(), part)).collect())
        }
        Value::Object(parts) if depth < ROUND && !parts.values().all(is_plain) => {
            (('{', '}'), parts.iter().map(|(key, part)| (format!("\"{key}\": "), part)).collect())
        }
        _ => return text.push_str(&rounded(value).to_string()),
    };
    text.push(brackets.0);
    for (index, (key, part)) in parts.into_iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        text.push_str(&format!("{comma}\n{:1$}{key}", "", 2 * (depth + 1)));
        write_lines(text, part, depth + 1);
    }
    text.push_str(&format!("\n{:1$}{2}", "", 2 * depth, brackets.1));
}

/// The value with seven digits of each figure, which is finer than any of them can be measured.
fn rounded(value: &Value) -> Value {
    match value {
        Value::Array(parts) => parts.iter().map(rounded).collect(),
        Value::Object(parts) => {
            parts.iter().map(|(key, part)| (key.clone(), rounded(part))).collect()
        }
        Value::Number(number) if number.is_f64() => {
            let figure = number.as_f64().and_then(|figure| format!("{figure:.6e}").parse().ok());
            figure.map_or_else(|| value.clone(), |figure: f64| figure.into())
        }
        _ => value.clone(),
    }
}

/// The machine and the versions that the figures come from.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Host {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    pub(crate) lastref: String,
    pub(crate) qemu: String,
    pub(crate) rustc: String,
}

/// A row and its rounds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct RowResult {
    pub(crate) name: String,
    pub(crate) row: Row,
    pub(crate) rounds: Vec<Round>,
}

/// Everything once, one after the other.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Round {
    pub(crate) qemu_to_qemu: Measurement,
    pub(crate) ours_to_ours: Measurement,
    /// Guest RAM over the time, in bytes a second.
    pub(crate) ours_to_qemu: f64,
    /// The same.
    pub(crate) qemu_to_ours: f64,
    /// The bare socket read into a buffer in the cache, in bytes a second.
    pub(crate) socket: f64,
    /// The same read into memory.
    pub(crate) socket_to_memory: f64,
}

impl RowResult {
    /// The spread of something over the rounds. Ratios are taken within a round, so that what
    /// the machine did beside it falls on both sides.
    pub(crate) fn spread(&self, of: impl Fn(&Round) -> f64) -> Option<Spread> {
        Spread::of(self.rounds.iter().map(of))
    }
}

/// Total times of a RAM size, in seconds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Growth {
    pub(crate) memory: u64,
    pub(crate) qemu: Vec<f64>,
    pub(crate) ours: Vec<f64>,
}

/// Downtimes while the guest writes, in milliseconds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Writing {
    pub(crate) memory: u64,
    /// `max-bandwidth` at both tools, in bytes a second.
    pub(crate) link: u64,
    /// What the guest is to dirty in a second, in bytes.
    pub(crate) dirty_rate: u64,
    pub(crate) downtime_limit: f64,
    /// How QEMU ran its guest.
    pub(crate) accelerator: String,
    /// Until the guest ran at the destination.
    pub(crate) qemu: Vec<f64>,
    /// What QEMU reports.
    pub(crate) qemu_reported: Vec<f64>,
    /// What QEMU's guest did dirty in a second before each migration, in bytes.
    pub(crate) qemu_dirty_rate: Vec<f64>,
    /// Migrations of QEMU that did not converge.
    pub(crate) qemu_unfinished: usize,
    pub(crate) ours: Vec<f64>,
}
