//! api
use crate::part::PartError;
use std::path::Path;
pub(crate) fn text(_name: &str, _page: &Path) -> Result<String, PartError> {
    Ok(String::new())
}
