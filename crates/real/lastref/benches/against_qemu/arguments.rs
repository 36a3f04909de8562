//! The command line: what comes after `cargo bench -p lastref --bench against_qemu --`.

use std::path::PathBuf;

use clap::Parser;

/// Measures live migration by lastref beside QEMU's, on the same images in the same run.
#[derive(Debug, Parser)]
#[command(name = "against_qemu", max_term_width = 90)]
pub(crate) struct Arguments {
    /// Only the rows that show whether something became slower.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Rounds a row: each measures every pair of programs, and the bare socket, once.
    #[arg(long, value_name = "N", default_value = "7", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) pairs: u32,
    /// RAM of every row, in whole MiB [default: 2G, with --quick 1G].
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub(crate) memory: Option<u64>,
    /// Only the rows and parts whose name contains this; the parts are `time with RAM` and
    /// `writing guest`.
    #[arg(long, value_name = "TEXT")]
    pub(crate) only: Option<String>,
    /// What both tools may send in a second while the guest writes half of it.
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = memory)]
    pub(crate) link: u64,
    /// Where table.md, chart.svg and results.json go [default: docs/bench of the workspace;
    /// nowhere if the run is not whole].
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Write all figures of this run, to compare others with.
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
    /// Say what became slower than in a saved run; the exit status is 1 if something did.
    #[arg(long, value_name = "FILE")]
    pub(crate) compare: Option<PathBuf>,
    /// Measure nothing: make the table and the chart of a results.json again.
    #[arg(long, value_name = "FILE")]
    pub(crate) render: Option<PathBuf>,
    /// Cargo says so to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Arguments {
    /// In bytes.
    pub(crate) fn memory(&self) -> u64 {
        self.memory.unwrap_or(if self.quick { 1 << 30 } else { 2 << 30 })
    }

    /// Whether a row or part was asked for.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|text| name.contains(text))
    }

    /// Whether it is all that can be measured.
    pub(crate) fn is_whole(&self) -> bool {
        !self.quick && self.only.is_none()
    }
}

fn memory(text: &str) -> Result<u64, String> {
    let (number, shift) = match text.strip_suffix(['G', 'g']) {
        Some(number) => (number, 30),
        None => (text.strip_suffix(['M', 'm']).ok_or("expected a size as in 512M or 2G")?, 20),
    };
    let number: u64 = number.parse().map_err(|error| format!("{error}"))?;
    match number.checked_mul(1 << shift) {
        Some(bytes) if bytes > 0 => Ok(bytes),
        _ => Err("expected at least 1M, in 64 bits".into()),
    }
}
