//! Makes every part of the pages of `docs/` anew.

use std::error::Error;
use std::fs;

fn main() -> Result<(), Box<dyn Error>> {
    for page in book::pages(&book::workspace().join("docs"))? {
        let filled = book::refilled(&page)?;
        if filled != fs::read_to_string(&page)? {
            fs::write(&page, filled)?;
            eprintln!("{}", page.display());
        }
    }
    Ok(())
}
