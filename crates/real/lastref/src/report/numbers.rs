//! Numbers for people, each with its unit.

/// Formats a span of time, given in milliseconds.
pub(super) fn span(ms: f64) -> String {
    let (value, unit) = match ms.abs() {
        size if size >= 1e3 => (ms / 1e3, "s"),
        size if size >= 1.0 => (ms, "ms"),
        _ => (ms * 1e3, "µs"),
    };
    let decimals = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.decimals$} {unit}")
}

/// Formats a moment on an axis of milliseconds.
pub(super) fn milliseconds(ms: f64) -> String {
    format!("{ms:.1} ms").replace('-', "−")
}

/// Formats a rate in bytes per second.
pub(super) fn rate(bytes: f64) -> String {
    match bytes {
        bytes if bytes >= 1e9 => format!("{:.2} GB/s", bytes / 1e9),
        bytes if bytes >= 1e6 => format!("{:.1} MB/s", bytes / 1e6),
        bytes => format!("{:.1} kB/s", bytes / 1e3),
    }
}

/// Formats a count in groups of three digits.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place != 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns the step of an axis: the least of 1, 2, 5, 10, 20, … that is not below `least`.
pub(super) fn round_step(least: f64) -> f64 {
    round_up(least, &[1.0, 2.0, 5.0])
}

/// Returns the end of an axis with one step: a round number not below `most`, and not far above.
pub(super) fn round_end(most: f64) -> f64 {
    round_up(most, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0])
}

fn round_up(least: f64, factors: &[f64]) -> f64 {
    let power = 10f64.powf(least.max(1e-9).log10().floor());
    let factor = factors.iter().find(|factor| *factor * power >= least * 0.999_999);
    factor.unwrap_or(&10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_has_its_unit_and_three_digits() {
        let spans =
            [(12_345.0, "12.3 s"), (999.4, "999 ms"), (4.04, "4.04 ms"), (0.0213, "21.3 µs")];
        for (ms, text) in spans {
            assert_eq!(span(ms), text);
        }
        assert_eq!(span(-0.5), "-500 µs");
        assert_eq!(
            (rate(1.45e9), rate(16e6), rate(900.0)),
            ("1.45 GB/s".into(), "16.0 MB/s".into(), "0.9 kB/s".into())
        );
        assert_eq!(
            (count(0), count(999), count(65_536), count(1_234_567)),
            ("0".into(), "999".into(), "65,536".into(), "1,234,567".into())
        );
    }

    #[test]
    fn the_end_of_an_axis_is_not_far_above_what_it_shows() {
        for (most, end) in [(0.9, 1.0), (4.1, 5.0), (70.0, 80.0), (81.0, 100.0)] {
            assert!((round_end(most) / end - 1.0).abs() < 1e-9, "{most}: {}", round_end(most));
        }
    }

    #[test]
    fn steps_are_1_2_5() {
        for (least, step) in
            [(0.9, 1.0), (1.0, 1.0), (1.1, 2.0), (3.0, 5.0), (6.0, 10.0), (70.0, 100.0)]
        {
            assert!(
                (round_step(least) / step - 1.0).abs() < 1e-9,
                "{least}: {}",
                round_step(least)
            );
        }
    }
}
