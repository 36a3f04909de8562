//! Makes the drawings and every part of the pages of `docs/` anew; with the word `site`, builds
//! the site out of them instead.

use std::error::Error;
use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let done = match std::env::args().nth(1).as_deref() {
        None => refill(),
        Some("site") => site(),
        Some(_) => {
            eprintln!("usage: lastref-book [site]");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lastref-book: {}", engine::error_chain(&*error));
            ExitCode::FAILURE
        }
    }
}

fn site() -> Result<(), Box<dyn Error>> {
    let site = book::workspace().join("target/book");
    book::site::build(&site)?;
    println!("{}", site.join("index.html").display());
    Ok(())
}

fn refill() -> Result<(), Box<dyn Error>> {
    for (file, drawing) in book::drawings()? {
        write(&file, &drawing)?;
    }
    // A part may be about what other pages say, so until nothing is left to change.
    loop {
        let mut changed = false;
        for page in book::pages(&book::workspace().join("docs"))? {
            changed |= write(&page, &book::refilled(&page)?)?;
        }
        if !changed {
            return Ok(());
        }
    }
}

/// Writes a file unless it says that already.
fn write(file: &Path, text: &str) -> io::Result<bool> {
    let is_new = !fs::read_to_string(file).is_ok_and(|old| old == text);
    if is_new {
        fs::write(file, text)?;
        eprintln!("{}", file.display());
    }
    Ok(is_new)
}
