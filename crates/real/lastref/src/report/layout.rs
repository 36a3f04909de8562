//! The two widths that each picture is drawn for. The style sheet shows the one that fits.

/// Measures of a picture. Shown as wide as it is drawn, a unit is a pixel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// Its class on the page.
    pub(super) class: &'static str,
    pub(super) width: f64,
    /// Where an axis begins; left of it are names.
    pub(super) left: f64,
    /// Where an axis ends.
    pub(super) right: f64,
    /// About so many steps on one axis.
    pub(super) steps: f64,
    /// How many columns of bars stand side by side.
    pub(super) columns: usize,
}

const WIDE: Layout =
    Layout { class: "wide", width: 1160.0, left: 138.0, right: 1134.0, steps: 9.0, columns: 4 };

/// As wide as a phone's page, so that its letters are seen as large as they are drawn.
const NARROW: Layout =
    Layout { class: "narrow", width: 336.0, left: 110.0, right: 326.0, steps: 3.0, columns: 1 };

/// Draws a picture for each width.
pub(super) fn each(draw: impl FnMut(Layout) -> String) -> String {
    [WIDE, NARROW].map(draw).concat()
}

#[cfg(test)]
pub(super) const BOTH: [Layout; 2] = [WIDE, NARROW];
