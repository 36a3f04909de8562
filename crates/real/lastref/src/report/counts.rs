//! How many counted references to a migration object there are. The pictures, the table and the
//! JSON object all ask here.

use crate::record::What;

/// Returns the number of counted references after each event that changes it, with the event's
/// `key`. The owner's is one of them.
pub(super) fn over_time<K>(events: impl Iterator<Item = (K, What)>) -> Vec<(K, usize)> {
    let mut counts = 0_usize;
    let mut changes = Vec::new();
    for (key, what) in events {
        counts = match what {
            What::Created | What::Counted => counts + 1,
            // What is noted just before: the last count is gone when the object is.
            What::GivenBack if counts == 1 => continue,
            What::GivenBack => counts.saturating_sub(1),
            What::Dropped => 0,
            What::Published | What::Retired => continue,
        };
        changes.push((key, counts));
    }
    changes
}

/// Returns the most that there were at one time.
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
