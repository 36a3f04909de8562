//! Decides when to stop the machine and send the rest.

use std::time::Duration;

/// A rest up to this many bytes is sent at once, because another pass would cost more than it
/// saves.
const SMALL: u64 = 1 << 20;

/// A pass that leaves less than this fraction of what the pass before left is worth another pass.
const SHRINKS: f64 = 0.75;

/// The memory that one pass left to send.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rest {
    /// Bytes of guest RAM that still have to be sent.
    pub(super) remaining: u64,
    /// Measured bytes per second.
    pub(super) bandwidth: u64,
}

impl Rest {
    /// Returns how long the machine would be stopped to send the rest.
    pub(super) fn expected_downtime(self) -> Duration {
        if self.remaining == 0 {
            return Duration::ZERO;
        }
        if self.bandwidth == 0 {
            return Duration::MAX;
        }
        Duration::try_from_secs_f64(self.remaining as f64 / self.bandwidth as f64)
            .unwrap_or(Duration::MAX)
    }

    /// Returns whether to stop the machine now, given the bytes that the pass before left. QEMU
    /// stops it as soon as the rest fits the limit (`migration_iteration_run`). Here passes
    /// continue as long as each leaves clearly less, so the downtime is usually well below the
    /// limit.
    pub(super) fn is_good_enough(self, limit: Duration, before: Option<u64>) -> bool {
        let shrinks = before.is_none_or(|before| (self.remaining as f64) < SHRINKS * before as f64);
        self.expected_downtime() <= limit && (self.remaining <= SMALL || !shrinks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(300);

    fn rest(remaining: u64, bandwidth: u64) -> Rest {
        Rest { remaining, bandwidth }
    }

    #[test]
    fn more_than_the_limit_allows_is_never_good_enough() {
        assert!(!rest(301 << 20, 1000 << 20).is_good_enough(LIMIT, Some(301 << 20)));
        assert!(!rest(4096, 1).is_good_enough(LIMIT, Some(4096)));
        assert!(!rest(4096, 0).is_good_enough(LIMIT, None));
        assert_eq!(rest(4096, 0).expected_downtime(), Duration::MAX);
    }

    #[test]
    fn passes_go_on_while_each_leaves_clearly_less() {
        assert!(!rest(100 << 20, 1000 << 20).is_good_enough(LIMIT, Some(200 << 20)));
        assert!(rest(100 << 20, 1000 << 20).is_good_enough(LIMIT, Some(110 << 20)));
    }

    #[test]
    fn a_small_rest_is_good_enough_at_once() {
        assert!(rest(1 << 20, 1000 << 20).is_good_enough(LIMIT, Some(512 << 20)));
        assert!(rest(0, 1000 << 20).is_good_enough(LIMIT, None));
        assert!(rest(0, 0).is_good_enough(Duration::ZERO, None), "no memory at all");
    }
}
