//! A crate's public items by kind, each with the first sentence of its documentation.
//!
//! It is read out of the sources. rustdoc's JSON has the same, but needs a build of its own, and a
//! page is to be made and checked in a moment.

mod sentence;
mod source;

use std::path::Path;

use source::{Crate, Item, Kind};

use crate::link::href;
use crate::part::PartError;

/// The public interface of the crate with this name.
pub(crate) fn text(name: &str, page: &Path) -> Result<String, PartError> {
    let library = Crate::read(name)?;
    let items = library.public()?;
    let mut text = format!("{}\n", library.purpose());
    for kind in Kind::ALL {
        let mut of_kind: Vec<&Item> = items.iter().filter(|item| item.kind == kind).collect();
        of_kind.sort_by(|a, b| a.path.cmp(&b.path));
        if of_kind.is_empty() {
            continue;
        }
        text.push_str(&format!("\n| {} | |\n| --- | --- |\n", kind.plural()));
        for Item { path, says, file, from, feature, methods, .. } in of_kind {
            let from = from.as_ref().map(|from| format!(" (of {from})")).unwrap_or_default();
            let feature = feature.as_ref().map(|name| format!(" (feature `{name}`)"));
            let feature = feature.unwrap_or_default();
            text.push_str(&format!(
                "| [`{path}`]({}) | {}{from}{feature} |\n",
                href(file, page),
                cell(says)
            ));
            for (method, says) in methods {
                text.push_str(&format!("| `{path}::{method}` | {} |\n", cell(says)));
            }
        }
    }
    Ok(text)
}

/// Text that may stand in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
