//! The tables of `docs/alternatives.md` are the ones of the crate.

use alternatives::Claim;
use alternatives::answers::ROWS;
use alternatives::shapes::Name;

const PAGE: &str = include_str!("../../../../../docs/alternatives.md");

/// The cells after the name, of each row that begins with the shape's name.
fn rows(shape: Name) -> Vec<Vec<&'static str>> {
    let begin = format!("| `{}` |", shape.name());
    PAGE.lines()
        .filter_map(|line| line.strip_prefix(&begin))
        .map(|rest| rest.trim_end().trim_end_matches('|').split('|').map(str::trim).collect())
        .collect()
}

#[test]
fn the_rows_are_in_the_order_of_the_names() {
    for (row, name) in ROWS.iter().zip(Name::ALL) {
        assert_eq!(row.shape, name);
    }
}

#[test]
fn the_objections_are_answered_as_the_page_says() {
    for row in ROWS {
        let answers = row.questions.map(|by| by.to_string());
        assert_eq!(rows(row.shape)[0], answers, "{}", row.shape.name());
    }
}

#[test]
fn the_claims_are_kept_as_the_page_says() {
    for row in ROWS {
        let kept = Claim::ALL.map(|claim| if row.keeps(claim) { "kept" } else { "broken" });
        assert_eq!(rows(row.shape)[1], kept, "{}", row.shape.name());
    }
}

#[test]
fn each_broken_claim_has_its_sentence() {
    for row in ROWS {
        let sentences = rows(row.shape)[2][0];
        assert!(sentences.ends_with('.'), "{}", row.shape.name());
        for claim in row.broken {
            assert!(sentences.contains(claim.name()), "{} {claim:?}", row.shape.name());
        }
    }
}

#[test]
fn the_page_explains_every_claim() {
    for claim in Claim::ALL {
        assert!(PAGE.contains(&format!("| `{}` |", claim.name())), "{}", claim.name());
    }
}
