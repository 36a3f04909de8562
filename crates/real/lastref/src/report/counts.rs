//! The number of counted references to a migration object, for the pictures, the table and the JSON
//! object.

use crate::record::What;

/// Returns the number of counted references, including the owner's, after each event that changes
/// it, with the event's `key`.
pub(super) fn over_time<K>(events: impl Iterator<Item = (K, What)>) -> Vec<(K, usize)> {
    let mut counts = 0_usize;
    let mut changes = Vec::new();
    for (key, what) in events {
        counts = match what {
            What::Created | What::Counted => counts + 1,
            // Recorded just before `Dropped`: the last count ends when the object is dropped.
            What::GivenBack if counts == 1 => continue,
            What::GivenBack => counts.saturating_sub(1),
            What::Dropped => 0,
            What::Published | What::Retired => continue,
        };
        changes.push((key, counts));
    }
    changes
}

/// Returns the maximum number at one time.
pub(super) fn most<K>(changes: &[(K, usize)]) -> usize {
    changes.iter().map(|(_, counts)| *counts).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owners_is_one_of_them_and_the_last_goes_with_the_object() {
        let life = [
            What::Created,
            What::Published,
            What::Counted,
            What::GivenBack,
            What::Counted,
            What::Retired,
            What::GivenBack,
            What::GivenBack,
            What::Dropped,
        ];
        let changes = over_time(life.into_iter().enumerate());
        assert_eq!(changes, [(0, 1), (2, 2), (3, 1), (4, 2), (6, 1), (8, 0)]);
        assert_eq!(most(&changes), 2);
    }
}
