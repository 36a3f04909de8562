//! The drawings of which status follows which: the transitions are the engine's table, and where
//! each is drawn stands here.

use engine::Direction;
use engine::transitions::{Here, transitions};

use crate::error::PartError;
use crate::svg::{LINE, Svg, wrapped};

/// Letters of a line of words on an arrow.
const LETTERS: usize = 18;
/// Half the height of a status's box.
const HALF: i32 = 17;

/// Where everything of a drawing is.
struct Places {
    label: &'static str,
    size: (i32, i32),
    /// The middle of each status.
    statuses: &'static [(&'static str, i32, i32)],
    arrows: &'static [Arrow],
}

/// Where a transition is drawn. Transitions to one status for one reason share their arrow, and
/// the first of them names it here.
struct Arrow {
    from: &'static str,
    to: &'static str,
    /// The middle of the words.
    words: (i32, i32),
    path: &'static str,
}

const fn arrow(
    from: &'static str,
    to: &'static str,
    words: (i32, i32),
    path: &'static str,
) -> Arrow {
    Arrow { from, to, words, path }
}

const OUTGOING: Places = Places {
    label: "Statuses of an outgoing migration",
    size: (800, 840),
    statuses: &[
        ("none", 470, 34),
        ("setup", 470, 136),
        ("active", 470, 246),
        ("pre-switchover", 340, 400),
        ("device", 470, 520),
        ("cancelling", 690, 620),
        ("failed", 78, 766),
        ("completed", 470, 766),
        ("cancelled", 690, 766),
    ],
    arrows: &[
        arrow("none", "setup", (470, 86), "M470 51V119"),
        arrow(
            "completed",
            "setup",
            (690, 814),
            "M78 783V814H470M470 783V814H690M690 783V814H780V129H501",
        ),
        arrow("setup", "active", (470, 192), "M470 153V229"),
        arrow("setup", "failed", (230, 136), "M439 136H51V749"),
        arrow(
            "setup",
            "cancelling",
            (690, 566),
            "M501 143H690M506 246H690M411 400H690M506 520H690M690 143V603",
        ),
        arrow("active", "failed", (230, 246), "M434 246H69V749"),
        arrow("active", "pre-switchover", (340, 322), "M446 263V278H340V383"),
        arrow("active", "device", (480, 334), "M480 263V503"),
        arrow("pre-switchover", "device", (340, 460), "M340 417V484H456V503"),
        arrow("pre-switchover", "failed", (180, 400), "M269 400H87V749"),
        arrow("device", "completed", (470, 572), "M470 537V749"),
        arrow("device", "failed", (220, 520), "M434 520H105V749"),
        arrow("cancelling", "cancelled", (690, 690), "M690 637V749"),
        arrow("cancelling", "completed", (580, 690), "M637 628H580V766H519"),
        arrow("cancelling", "failed", (290, 690), "M637 612H290V766H113"),
    ],
};

const INCOMING: Places = Places {
    label: "Statuses of an incoming migration",
    size: (640, 590),
    statuses: &[
        ("none", 320, 34),
        ("setup", 320, 136),
        ("active", 320, 246),
        ("cancelling", 510, 370),
        ("failed", 78, 516),
        ("completed", 320, 516),
        ("cancelled", 510, 516),
    ],
    arrows: &[
        arrow("none", "setup", (320, 86), "M320 51V119"),
        arrow(
            "completed",
            "setup",
            (510, 564),
            "M78 533V564H320M320 533V564H510M510 533V564H620V129H351",
        ),
        arrow("setup", "active", (320, 192), "M320 153V229"),
        arrow("setup", "failed", (190, 136), "M289 136H69V499"),
        arrow("setup", "cancelling", (510, 310), "M351 143H510M356 246H510M510 143V353"),
        arrow("active", "completed", (320, 312), "M320 263V499"),
        arrow("active", "failed", (190, 246), "M284 246H87V499"),
        arrow("cancelling", "cancelled", (510, 440), "M510 387V499"),
        arrow("cancelling", "completed", (420, 440), "M457 378H420V516H369"),
        arrow("cancelling", "failed", (200, 440), "M457 362H200V516H113"),
    ],
};

/// Draws the transitions that the engine makes; those that QEMU does not make are dashed.
pub(crate) fn svg(direction: Direction) -> Result<String, PartError> {
    let places = match direction {
        Direction::Outgoing => OUTGOING,
        Direction::Incoming => INCOMING,
    };
    let mut drawn: Vec<(&str, &str, bool)> = Vec::new();
    let mut arrows = Vec::new();
    for row in transitions(direction) {
        let ours = match row.here {
            Here::Same => false,
            Here::Ours(_) => true,
            Here::Not(_) => continue,
        };
        let reason = (row.to, row.when, ours);
        if !drawn.contains(&reason) {
            drawn.push(reason);
            let place = places.arrows.iter().find(|one| one.from == row.from && one.to == row.to);
            let not_placed =
                || PartError::NotPlaced { from: row.from.to_owned(), to: row.to.to_owned() };
            arrows.push((place.ok_or_else(not_placed)?, row.when, if ours { "ours" } else { "" }));
        }
    }

    let mut svg = Svg::new(places.label, places.size.0, places.size.1);
    for (arrow, _, class) in &arrows {
        svg.arrow(class, arrow.path);
    }
    for &(name, x, y) in places.statuses {
        // A bold letter is at most nine wide.
        let half = name.len() as i32 * 9 / 2 + 10;
        svg.rect("box", [x - half, y - HALF, 2 * half, 2 * HALF]);
        svg.lines("name", x, y - LINE / 2, &[name.to_owned()]);
    }
    for (arrow, when, class) in arrows {
        svg.words(class, arrow.words, &wrapped(when, LETTERS));
    }
    Ok(svg.finish())
}
