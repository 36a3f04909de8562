//! A copy of a folder that is brought up to date, so that little in it has to be built again.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

/// Makes `to` the same as `from`, and touches no file that is the same already.
///
/// # Errors
///
/// If a file cannot be read or written.
pub fn bring_up_to_date(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        let text = fs::read(from)?;
        if fs::read(to).is_ok_and(|old| old == text) {
            return Ok(());
        }
        return fs::write(to, text);
    }
    fs::create_dir_all(to)?;
    let names = |folder: &Path| -> io::Result<BTreeSet<_>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect()
    };
    let (wanted, present) = (names(from)?, names(to)?);
    for name in &wanted {
        bring_up_to_date(&from.join(name), &to.join(name))?;
    }
    for name in present.difference(&wanted) {
        let gone = to.join(name);
        if gone.is_dir() { fs::remove_dir_all(gone)? } else { fs::remove_file(gone)? }
    }
    Ok(())
}
