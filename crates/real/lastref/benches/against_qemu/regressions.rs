//! What became slower than a saved run.
//!
//! Rates of two machines cannot be compared, nor those of one noisy machine on two days. So each
//! figure is a ratio of two things measured one right after the other. A row is slower when the
//! median of ours to ours is below all that was saved, beside QEMU as well as beside the bare
//! socket: one of them alone says that the other side became faster. And it is below by some part
//! of the saved median, since a few rounds in a quiet minute have next to no spread.

use super::results::{Results, Round, RowResult};
use super::statistics::Spread;

/// The part of the saved median that is no news.
const SLACK: f64 = 0.05;

/// A row that is not what it was.
#[derive(Debug, PartialEq)]
pub(crate) struct Slower {
    pub(crate) row: String,
    /// What is compared.
    pub(crate) figure: &'static str,
    pub(crate) saved: Spread,
    pub(crate) now: Spread,
}

pub(crate) fn beside_qemu(round: &Round) -> f64 {
    round.ours_to_ours.rate / round.qemu_to_qemu.rate
}

pub(crate) fn beside_the_socket(round: &Round) -> f64 {
    round.ours_to_ours.rate / round.socket
}

/// CPU of both ends.
pub(crate) fn cpu_beside_qemu(round: &Round) -> f64 {
    round.ours_to_ours.cpu() / round.qemu_to_qemu.cpu()
}

/// Every row that became slower, or takes more CPU than was saved.
///
/// # Errors
///
/// If a row was not saved, or with another size of RAM: then nothing is known of it.
pub(crate) fn find(saved: &Results, now: &Results) -> Result<Vec<Slower>, String> {
    if saved.memory != now.memory {
        return Err(format!(
            "saved with {} MiB of RAM, measured with {}",
            saved.memory >> 20,
            now.memory >> 20
        ));
    }
    let mut slower = Vec::new();
    for row in &now.rows {
        let before = saved
            .rows
            .iter()
            .find(|saved| saved.row == row.row)
            .ok_or_else(|| format!("no row `{}` was saved", row.name))?;
        let pair = |figure: fn(&Round) -> f64| both(before, row, figure);
        let qemu = pair(beside_qemu)?;
        let socket = pair(beside_the_socket)?;
        let is_slower = |(saved, now): (Spread, Spread)| {
            now.median < saved.min && now.median < saved.median * (1.0 - SLACK)
        };
        if is_slower(qemu) && is_slower(socket) {
            for (figure, (saved, now)) in
                [("rate beside QEMU's", qemu), ("rate beside the bare socket's", socket)]
            {
                slower.push(Slower { row: row.name.clone(), figure, saved, now });
            }
        }
        let (saved, now) = pair(cpu_beside_qemu)?;
        if now.median > saved.max && now.median > saved.median * (1.0 + SLACK) {
            let figure = "CPU beside QEMU's";
            slower.push(Slower { row: row.name.clone(), figure, saved, now });
        }
    }
    Ok(slower)
}

fn both(
    saved: &RowResult,
    now: &RowResult,
    figure: fn(&Round) -> f64,
) -> Result<(Spread, Spread), String> {
    let none = || format!("no rounds of row `{}`", now.name);
    Ok((saved.spread(figure).ok_or_else(none)?, now.spread(figure).ok_or_else(none)?))
}
