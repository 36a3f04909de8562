//! A page that cites a claim cites one that is there.

use std::error::Error;
use std::fs;

#[test]
fn every_claim_that_a_page_cites_is_in_the_file_it_links_to() -> Result<(), Box<dyn Error>> {
    let docs = xtask::workspace::root().join("docs");
    let mut cited = 0;
    for page in xtask::pages(&docs)? {
        let text = fs::read_to_string(&page)?;
        for link in text.split("[`").skip(1) {
            let Some((claim, rest)) = link.split_once("`](claims/") else { continue };
            // Else the text of the link is longer, and another link follows.
            if claim.contains(']') {
                continue;
            }
            let (file, _) = rest.split_once(')').ok_or("a link without an end")?;
            let claims = fs::read_to_string(docs.join("claims").join(file))?;
            let there = claims.contains(&format!("* `{claim}`:"));
            assert!(there, "{}: no claim {claim} in claims/{file}", page.display());
            cited += 1;
        }
    }
    assert!(cited > 0, "no page cites a claim");
    Ok(())
}
