//! The end of a scale of rates: usual rates fit on it, and a burst does not flatten the rest.

use super::numbers::round_end;

/// Share of the time during which rates count as usual.
const USUAL: f64 = 0.9;

/// A peak above this multiple of the usual scale is a burst; the scale is extended for a lower one.
const BURST: f64 = 1.5;

/// Returns the rate that was not exceeded for `share` of the time. Each step has its duration and
/// its rate.
fn percentile(steps: &[(f64, f64)], share: f64) -> f64 {
    let mut steps = steps.to_vec();
    steps.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut left = steps.iter().map(|step| step.0).sum::<f64>() * share;
    let reached = |step: &&(f64, f64)| {
        left -= step.0;
        left <= 0.0
    };
    steps.iter().find(reached).or(steps.last()).map_or(0.0, |step| step.1)
}

/// Returns a round end for a scale of these steps. Rates above it are bursts.
pub(super) fn end(steps: &[(f64, f64)]) -> f64 {
    let most = steps.iter().map(|step| step.1).fold(0.0, f64::max);
    let usual = percentile(steps, USUAL);
    let end = round_end(usual);
    if usual > 0.0 && most > BURST * end { end } else { round_end(most) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_weighs_each_rate_with_its_time() {
        let steps = [(1.0, 900.0), (6.0, 10.0), (3.0, 20.0)];
        for (share, rate) in [(0.5, 10.0), (0.6, 10.0), (0.7, 20.0), (0.9, 20.0), (0.95, 900.0)] {
            assert_eq!(percentile(&steps, share).to_bits(), f64::to_bits(rate), "{share}");
        }
        assert_eq!(percentile(&[], 0.9).to_bits(), 0);
    }

    #[test]
    fn a_first_burst_does_not_flatten_the_rest() {
        let mut steps = vec![(10.0, 110e6)];
        steps.extend([(40.0, 17e6); 50]);
        assert!((end(&steps) - 20e6).abs() < 1.0, "{}", end(&steps));
    }

    #[test]
    fn a_peak_that_is_not_far_above_the_rest_fits() {
        let mut steps = vec![(10.0, 145e6)];
        steps.extend([(40.0, 100e6); 50]);
        assert!((end(&steps) - 200e6).abs() < 1.0, "{}", end(&steps));
    }

    #[test]
    fn a_stream_that_mostly_waited_has_a_scale() {
        assert!((end(&[(1.0, 5e6), (99.0, 0.0)]) - 5e6).abs() < 1.0);
    }
}
