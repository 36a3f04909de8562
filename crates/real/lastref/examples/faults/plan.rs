//! Which fault comes to which migration, and when: chosen by a generator with a seed.

use std::fmt;
use std::time::Duration;

use super::fragile::Hook;

/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let value = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    /// Returns a number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Returns one of `choices`, each as often as its weight says.
    fn weighted<T: Copy>(&mut self, choices: &[(T, u64)]) -> Option<T> {
        let mut rest = self.below(choices.iter().map(|(_, weight)| weight).sum());
        choices.iter().find_map(|(choice, weight)| {
            let found = rest < *weight;
            rest = rest.saturating_sub(*weight);
            found.then_some(*choice)
        })
    }

    fn one<T: Copy>(&mut self, choices: &[T]) -> Option<T> {
        let at = self.below(choices.len() as u64) as usize;
        choices.get(at).copied()
    }

    fn micros(&mut self, end: u64) -> Duration {
        Duration::from_micros(self.below(end))
    }
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Kind {
    /// SIGKILL of the source.
    KillSource,
    /// SIGKILL of the destination.
    KillDestination,
    /// SIGSTOP of the source, and SIGCONT later.
    StopSource,
    /// SIGSTOP of the destination, and SIGCONT later.
    StopDestination,
    /// Every connection is closed.
    Cut,
    /// Every connection is reset.
    Reset,
    /// Nothing goes over the link any more, and the user cancels at the source.
    Silent,
    /// Cancel at the source.
    CancelSource,
    /// Cancel at the destination.
    CancelDestination,
    /// `receive` or `send file:` has no place for its file.
    FullDisk,
    /// A hook of the machine panics.
    Panic,
    /// The file of `receive` cannot have its name any more.
    Path,
}

impl Kind {
    const WEIGHTS: [(Kind, u64); 12] = [
        (Kind::KillSource, 10),
        (Kind::KillDestination, 10),
        (Kind::StopSource, 6),
        (Kind::StopDestination, 6),
        (Kind::Cut, 14),
        (Kind::Reset, 8),
        (Kind::Silent, 3),
        (Kind::CancelSource, 13),
        (Kind::CancelDestination, 8),
        (Kind::FullDisk, 5),
        (Kind::Panic, 12),
        (Kind::Path, 5),
    ];

    /// Every kind, in the order of the table.
    pub(crate) fn all() -> impl Iterator<Item = Kind> {
        Kind::WEIGHTS.into_iter().map(|(kind, _)| kind)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = clap::ValueEnum::to_possible_value(self);
        f.pad(value.as_ref().map_or("?", |value| value.get_name()))
    }
}

/// Which QEMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Which {
    OnPath,
    New,
}

/// One end of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum EndKind {
    /// A role with a machine that writes to its memory.
    Running,
    /// A role with QEMU's `-M none`.
    Paused,
    /// `lastref send` or `lastref receive`.
    Program,
    Qemu(Which),
    /// A file that `send` makes.
    File,
}

impl EndKind {
    pub(crate) fn is_qemu(self) -> bool {
        matches!(self, EndKind::Qemu(_))
    }
}

/// When a fault comes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Moment {
    /// While the destination waits, and before the source begins.
    Before,
    /// At a part of the time that a clean run takes.
    Part(f64),
    /// When a part of the stream has gone to the destination.
    Forth(f64),
    /// So many bytes before the end of the stream to the destination, as a clean run has it.
    ForthEnd(u64),
    /// The same of what goes back.
    BackEnd(u64),
    /// So many bytes after the last PING.
    AfterPing(u64),
    /// So many bytes after the last PONG.
    AfterPong(i64),
    /// When both ends are done, after a while.
    Later(Duration),
    /// The fault lies in the set-up.
    Always,
}

/// Why there is no place for a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disk {
    /// A small tmpfs.
    Small,
    /// A limit for the size of a file, in bytes.
    Limit(u64),
    /// `/dev/full`.
    DevFull,
}

/// What becomes of the path of `receive`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PathFault {
    /// A folder takes the name.
    Taken,
    /// The folder is removed.
    Removed,
}

/// What is there to choose from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Available {
    pub(crate) programs: bool,
    pub(crate) qemus: Vec<Which>,
    pub(crate) small_disk: bool,
}

/// One run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// `None` for a clean run.
    pub(crate) kind: Option<Kind>,
    pub(crate) source: EndKind,
    pub(crate) destination: EndKind,
    pub(crate) tcp: bool,
    pub(crate) channels: Option<u8>,
    /// A QEMU at the source asks for a return path.
    pub(crate) return_path: bool,
    /// Dirty pages are marked in software, or by KVM in a ring.
    pub(crate) software: bool,
    /// A machine that runs is a guest under KVM.
    pub(crate) kvm: bool,
    pub(crate) moment: Moment,
    /// How long after that.
    pub(crate) delay: Duration,
    /// How long a process stands, or a user waits for a silent link.
    pub(crate) hold: Duration,
    pub(crate) hook: Option<Hook>,
    pub(crate) after: bool,
    pub(crate) disk: Disk,
    pub(crate) path: PathFault,
}

impl Plan {
    /// Chooses run `number`; `None` if what it needs is not available.
    pub(crate) fn choose(
        seed: u64,
        number: u64,
        only: &[Kind],
        available: &Available,
    ) -> Option<Plan> {
        let random = &mut Random::new(Random::new(seed).next() ^ number.wrapping_mul(0x9e37_79b9));
        let kinds: Vec<_> = Kind::WEIGHTS
            .into_iter()
            .filter(|(kind, _)| only.is_empty() || only.contains(kind))
            .filter(|(kind, _)| available.programs || !matches!(kind, Kind::FullDisk | Kind::Path))
            .collect();
        let kind = random.weighted(&kinds)?;
        let (source, destination) = ends(random, kind, available)?;
        let one_channel = destination == EndKind::File;
        let channels = random.one(&[None, Some(1), Some(4)])?.filter(|_| !one_channel);
        let limit = Disk::Limit(4096 + random.below(4 << 20));
        let disks: &[Disk] = match (destination, available.small_disk) {
            (EndKind::File, true) => &[Disk::Small, limit, Disk::DevFull],
            (EndKind::File, false) => &[limit, Disk::DevFull],
            (_, true) => &[Disk::Small, Disk::Small, limit],
            (_, false) => &[limit],
        };
        let hooks: Vec<_> = Hook::OF_SOURCE.into_iter().chain(Hook::OF_DESTINATION).collect();
        let mut plan = Plan {
            kind: Some(kind),
            source,
            destination,
            tcp: random.below(2) == 0,
            channels,
            return_path: random.below(4) != 0,
            software: random.below(2) == 0,
            kvm: false,
            moment: Moment::Always,
            delay: Duration::ZERO,
            hold: Duration::from_millis(20 + random.below(230)),
            hook: (kind == Kind::Panic).then(|| random.one(&hooks)).flatten(),
            after: random.below(2) == 0,
            disk: random.one(disks)?,
            path: random.one(&[PathFault::Taken, PathFault::Removed])?,
        };
        plan.moment = plan.choose_moment(random);
        if random.below(3) == 0 {
            plan.delay = random.micros(3000);
        }
        Some(plan)
    }

    /// The clean run of the same ends.
    pub(crate) fn clean(&self) -> Plan {
        let moment = Moment::Always;
        Plan { kind: None, hook: None, delay: Duration::ZERO, moment, ..*self }
    }

    fn choose_moment(&self, random: &mut Random) -> Moment {
        let Some(kind) = self.kind else { return Moment::Always };
        let inside = matches!(kind, Kind::Path | Kind::Panic);
        // There is no `send` before it begins.
        let may_be_before = self.source != EndKind::Program;
        // Most come where the machine changes hands.
        let choice = match kind {
            Kind::FullDisk => return Moment::Always,
            Kind::Panic if self.hook != Some(Hook::Resume) => return Moment::Always,
            _ if inside => 20 + random.below(80),
            _ => random.below(110),
        };
        if self.source.is_qemu() && (50..100).contains(&choice) {
            return match random.below(3) {
                0 => Moment::BackEnd(random.below(24)),
                1 => Moment::ForthEnd(random.below(24)),
                _ => Moment::ForthEnd(random.below(1000)),
            };
        }
        match choice {
            0..8 if may_be_before => Moment::Before,
            _ if choice < 30 => Moment::Part(random.part() * 1.3),
            30..50 => Moment::Forth(random.part()),
            50..75 => match random.below(4) {
                0 => Moment::AfterPing(random.below(600)),
                1 => Moment::AfterPing(0),
                _ => Moment::AfterPing(1),
            },
            75..100 => Moment::AfterPong(random.below(18) as i64 - 9),
            _ => Moment::Later(random.micros(50_000)),
        }
    }
}

/// Chooses two ends that can talk to each other, and have this fault.
fn ends(random: &mut Random, kind: Kind, available: &Available) -> Option<(EndKind, EndKind)> {
    let programs = u64::from(available.programs);
    let qemu = random.one(&available.qemus).map(EndKind::Qemu);
    let has_qemu = u64::from(qemu.is_some());
    let qemu = qemu.unwrap_or(EndKind::Paused);
    let receive = [
        ((EndKind::Program, EndKind::Program), 4 * programs),
        ((EndKind::Paused, EndKind::Program), 3 * programs),
        ((qemu, EndKind::Program), 3 * has_qemu * programs),
    ];
    let all = [
        ((EndKind::Running, EndKind::Running), 56),
        ((EndKind::Program, EndKind::Program), 10 * programs),
        ((EndKind::Paused, EndKind::Program), 4 * programs),
        ((EndKind::Paused, qemu), 10 * has_qemu),
        ((EndKind::Program, qemu), 5 * has_qemu * programs),
        ((qemu, EndKind::Paused), 8 * has_qemu),
        ((qemu, EndKind::Program), 7 * has_qemu * programs),
    ];
    match kind {
        Kind::Panic => Some((EndKind::Running, EndKind::Running)),
        Kind::FullDisk if random.below(2) == 0 => Some((EndKind::Program, EndKind::File)),
        Kind::FullDisk | Kind::Path => random.weighted(&receive),
        Kind::Silent => random.weighted(&all[..5]),
        Kind::CancelDestination => {
            let ours: Vec<_> = all.into_iter().filter(|((_, to), _)| !to.is_qemu()).collect();
            random.weighted(&ours)
        }
        _ => random.weighted(&all),
    }
}
