//! The two widths of each picture. The style sheet shows the one that fits.

/// Measures of a picture, in pixels at its natural size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// Its class on the page.
    pub(super) class: &'static str,
    pub(super) width: f64,
    /// Left end of an axis; names are left of it.
    pub(super) left: f64,
    /// Right end of an axis.
    pub(super) right: f64,
    /// Approximate number of steps on an axis.
    pub(super) steps: f64,
    /// Number of columns of bars side by side.
    pub(super) columns: usize,
}

const WIDE: Layout =
    Layout { class: "wide", width: 1160.0, left: 138.0, right: 1134.0, steps: 9.0, columns: 4 };

/// The width of a page on a phone, so that letters keep their size.
const NARROW: Layout =
    Layout { class: "narrow", width: 336.0, left: 110.0, right: 326.0, steps: 3.0, columns: 1 };

/// Draws a picture for each width.
pub(super) fn each(draw: impl FnMut(Layout) -> String) -> String {
    [WIDE, NARROW].map(draw).concat()
}

#[cfg(test)]
pub(super) const BOTH: [Layout; 2] = [WIDE, NARROW];
