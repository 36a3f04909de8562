//! Waiting for a condition, with a deadline that fails the test.

use std::thread;
use std::time::{Duration, Instant};

/// How long anything a test waits for may take.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The pause between two looks at a condition. It bounds how often we look;
/// no test relies on how long it is.
const BETWEEN_LOOKS: Duration = Duration::from_millis(2);

/// Looks again and again until `look` gives a value, and returns it.
///
/// # Panics
///
/// When the deadline has passed; `what_was_expected` is asked only then, so it
/// may describe how things stand at that moment.
#[track_caller]
pub fn until<C, T>(
    context: &mut C,
    mut look: impl FnMut(&mut C) -> Option<T>,
    what_was_expected: impl FnOnce(&mut C) -> String,
) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = look(context) {
            return value;
        }
        if start.elapsed() > DEADLINE {
            panic!("not within {} s: {}", DEADLINE.as_secs(), what_was_expected(context));
        }
        thread::sleep(BETWEEN_LOOKS);
    }
}
