//! The results as a Markdown table, and as lines for who watches.

use std::fmt::Write as _;

use super::regressions::{Slower, beside_qemu, beside_the_socket};
use super::results::{Growth, Results, Round, RowResult, Writing};
use super::statistics::Spread;

const GB: f64 = 1e9;
const MIB: f64 = 1048576.0;
const GIB: f64 = 1073741824.0;

/// How the figures of the table are made, for who reads it.
const LEGEND: &str = "\
Rates are guest RAM over the time from the command until both ends are done, in GB/s (10^9 bytes a \
second), medians over the rounds. Ratios are taken within a round: median (min–max). `socket` is a bare socket of the same \
kind and with the send buffer that ours has, as many connections as channels, that moves as many bytes, read into a buffer that stays in \
the cache; `socket to memory` is the same read into memory, where a migration has to leave what it \
moves. Downtime is what the source reports, in ms, nothing being written. CPU is of both ends \
together, in seconds for a GiB of guest RAM. Memory is the most anonymous memory of the end that \
has more, in MiB: guest RAM is a file at both tools, so this is what comes beside it. Each round \
begins with another pair of tools. Where RAM is fresh, the memory it comes from is kept in \
small pieces, which a hypervisor does not take away. After each \
migration the destination's RAM was compared with the source's, byte by byte.";

pub(crate) fn markdown(results: &Results) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write_markdown(&mut text, results);
    text
}

fn write_markdown(text: &mut String, results: &Results) -> std::fmt::Result {
    let host = &results.host;
    writeln!(text, "# Live migration beside QEMU's\n")?;
    writeln!(text, "* {}, {} cores, Linux {}", host.cpu, host.cores, host.kernel)?;
    writeln!(text, "* {}; {}; {}", host.lastref, host.qemu, host.rustc)?;
    writeln!(text, "* `{}`", results.command)?;
    if !results.rows.is_empty() {
        let memory = results.memory >> 20;
        writeln!(text, "* {memory} MiB of guest RAM, RAM files in {}", results.place)?;
    }
    for left_out in &results.left_out {
        writeln!(text, "* left out: {left_out}")?;
    }
    if !results.rows.is_empty() {
        write_rows(text, &results.rows, results.memory as f64)?;
    }
    if !results.growth.is_empty() {
        write_growth(text, &results.growth)?;
    }
    if let Some(writing) = &results.writing {
        write_writing(text, writing)?;
    }
    Ok(())
}

fn write_rows(text: &mut String, rows: &[RowResult], memory: f64) -> std::fmt::Result {
    writeln!(text, "\n{LEGEND}\n")?;
    let columns = [
        "RAM, stream",
        "rounds",
        "QEMU to QEMU",
        "ours to ours",
        "ours to QEMU",
        "QEMU to ours",
        "socket",
        "socket to memory",
        "ours / QEMU",
        "ours / socket",
        "ours / socket to memory",
        "ours to QEMU / QEMU",
        "QEMU to ours / QEMU",
        "downtime ours, QEMU",
        "CPU s/GiB ours, QEMU",
        "memory ours, QEMU",
    ];
    writeln!(text, "| {} |", columns.join(" | "))?;
    writeln!(text, "| --- {}|", "| ---: ".repeat(columns.len() - 1))?;
    for row in rows {
        let median = |of: &dyn Fn(&Round) -> f64| row.spread(of).map_or(f64::NAN, |all| all.median);
        let rate = |of: &dyn Fn(&Round) -> f64| format!("{:.2}", median(of) / GB);
        let ratio = |of: &dyn Fn(&Round) -> f64| row.spread(of).map_or("–".into(), times);
        let pair = |unit: f64,
                    digits: usize,
                    ours: &dyn Fn(&Round) -> f64,
                    qemu: &dyn Fn(&Round) -> f64| {
            format!("{:.digits$}, {:.digits$}", median(ours) / unit, median(qemu) / unit)
        };
        let cells = [
            row.name.clone(),
            row.rounds.len().to_string(),
            rate(&|round| round.qemu_to_qemu.rate),
            format!("**{}**", rate(&|round| round.ours_to_ours.rate)),
            rate(&|round| round.ours_to_qemu),
            rate(&|round| round.qemu_to_ours),
            rate(&|round| round.socket),
            rate(&|round| round.socket_to_memory),
            format!("**{}**", ratio(&beside_qemu)),
            ratio(&beside_the_socket),
            ratio(&|round| round.ours_to_ours.rate / round.socket_to_memory),
            ratio(&|round| round.ours_to_qemu / round.qemu_to_qemu.rate),
            ratio(&|round| round.qemu_to_ours / round.qemu_to_qemu.rate),
            pair(1.0, 0, &|round| round.ours_to_ours.downtime, &|round| {
                round.qemu_to_qemu.downtime
            }),
            pair(memory / GIB, 2, &|round| round.ours_to_ours.cpu(), &|round| {
                round.qemu_to_qemu.cpu()
            }),
            pair(MIB, 1, &|round| round.ours_to_ours.memory() as f64, &|round| {
                round.qemu_to_qemu.memory() as f64
            }),
        ];
        writeln!(text, "| {} |", cells.join(" | "))?;
    }
    Ok(())
}

fn write_growth(text: &mut String, growth: &[Growth]) -> std::fmt::Result {
    writeln!(text, "\n## Time with RAM\n")?;
    writeln!(
        text,
        "Random, preallocated, one channel, unix: total time in ms, median (min–max).\n"
    )?;
    writeln!(
        text,
        "| RAM | rounds | QEMU to QEMU | ours to ours |\n| ---: | ---: | ---: | ---: |"
    )?;
    for point in growth {
        let cell = |seconds: &[f64]| {
            let spread = Spread::of(seconds.iter().map(|seconds| seconds * 1e3));
            spread.map_or("–".into(), |all| {
                format!("{:.0} ({:.0}–{:.0})", all.median, all.min, all.max)
            })
        };
        let (qemu, ours) = (cell(&point.qemu), cell(&point.ours));
        let memory = point.memory >> 20;
        writeln!(text, "| {memory} MiB | {} | {qemu} | {ours} |", point.ours.len())?;
    }
    Ok(())
}

fn write_writing(text: &mut String, writing: &Writing) -> std::fmt::Result {
    let rate = Spread::of(writing.qemu_dirty_rate.iter().copied());
    writeln!(text, "\n## Downtime while the guest writes\n")?;
    writeln!(
        text,
        "{} MiB of guest RAM. Both tools may send {} MiB/s, and the guest dirties {} MiB/s, half of it; \
        QEMU's guest, run by {}, did {:.0}. The downtime limit is {:.0} ms. Downtime is from when the \
        guest stops at the source until it runs at the destination, in ms.\n",
        writing.memory >> 20,
        writing.link >> 20,
        writing.dirty_rate >> 20,
        writing.accelerator,
        rate.map_or(f64::NAN, |all| all.median / MIB),
        writing.downtime_limit,
    )?;
    writeln!(text, "| | migrations | median | min–max | above the limit | did not converge |")?;
    writeln!(text, "| --- | ---: | ---: | ---: | ---: | ---: |")?;
    let rows = [
        ("QEMU", &writing.qemu, writing.qemu_unfinished.to_string()),
        ("QEMU, as it reports", &writing.qemu_reported, String::new()),
        ("ours", &writing.ours, "0".into()),
    ];
    for (name, downtimes, unfinished) in rows {
        let Some(all) = Spread::of(downtimes.iter().copied()) else { continue };
        let above = downtimes.iter().filter(|downtime| **downtime > writing.downtime_limit).count();
        writeln!(
            text,
            "| {name} | {} | {:.0} | {:.0}–{:.0} | {above} | {unfinished} |",
            downtimes.len(),
            all.median,
            all.min,
            all.max
        )?;
    }
    Ok(())
}

/// A ratio and its spread.
fn times(all: Spread) -> String {
    format!("{}x ({}–{})", figure(all.median), figure(all.min), figure(all.max))
}

/// As many digits as mean something.
pub(crate) fn figure(value: f64) -> String {
    if value < 10.0 {
        format!("{value:.2}")
    } else if value < 100.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

/// One round, for who watches.
pub(crate) fn sentence(round: &Round) -> String {
    let Round { qemu_to_qemu, ours_to_ours, ours_to_qemu, qemu_to_ours, socket, .. } = round;
    format!(
        "QEMU to QEMU {:.2}, ours to ours {:.2}, ours to QEMU {:.2}, QEMU to ours {:.2}, \
         socket {:.2} and to memory {:.2} GB/s",
        qemu_to_qemu.rate / GB,
        ours_to_ours.rate / GB,
        ours_to_qemu / GB,
        qemu_to_ours / GB,
        socket / GB,
        round.socket_to_memory / GB,
    )
}

/// What became slower, a line each, or that nothing did.
pub(crate) fn slower(slower: &[Slower]) -> String {
    if slower.is_empty() {
        return "nothing became slower than its saved spread\n".into();
    }
    let mut text = String::new();
    for Slower { row, figure, saved, now } in slower {
        text +=
            &format!("slower: {row}: {figure} is {}, saved was {}\n", times(*now), times(*saved));
    }
    text
}
