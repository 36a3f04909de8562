//! How the time grows with RAM.

use super::measurement::Tool;
use super::qemu::Binary;
use super::results::Growth;
use super::rows::CENTRE;
use super::trial::Trial;
use super::{Interrupt, Outcome, memory};

const MIB: u64 = 1 << 20;

const SIZES: [u64; 6] = [256 * MIB, 512 * MIB, 1024 * MIB, 2048 * MIB, 4096 * MIB, 8192 * MIB];

const ROUNDS: usize = 3;

/// What has to stay free beside the two RAM files.
const SPARE: u64 = 1024 * MIB;

/// As `--only` knows it.
pub(crate) const NAME: &str = "time with RAM";

/// Total times of the centre row for every size that fits; what does not is said in `left_out`.
pub(crate) fn measure(
    binary: &Binary,
    interrupt: &Interrupt,
    left_out: &mut Vec<String>,
) -> Outcome<Vec<Growth>> {
    let mut growth = Vec::new();
    for memory in SIZES {
        let available = memory::available().unwrap_or(0);
        if available < 2 * memory + SPARE {
            left_out.push(format!(
                "{NAME}, {} MiB: two RAM files do not fit into {} MiB of free memory",
                memory / MIB,
                available / MIB
            ));
            continue;
        }
        let trial = Trial::new(binary, CENTRE, memory)?;
        if !trial.is_in_memory() {
            left_out.push(format!("{NAME}, {} MiB: no room in /dev/shm", memory / MIB));
            continue;
        }
        let mut point = Growth { memory, qemu: Vec::new(), ours: Vec::new() };
        for _ in 0..ROUNDS {
            for (tool, times) in [(Tool::Qemu, &mut point.qemu), (Tool::Ours, &mut point.ours)] {
                interrupt.check()?;
                times.push(trial.measure(tool, tool)?.seconds);
            }
        }
        eprintln!(
            "{NAME}, {} MiB: QEMU {:.3?} s, ours {:.3?} s",
            memory / MIB,
            point.qemu,
            point.ours
        );
        growth.push(point);
    }
    Ok(growth)
}
