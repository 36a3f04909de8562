//! The site as mdBook builds it and as a browser shows it, on a screen and on a phone: every link
//! leads somewhere, nothing is wider than the page or too faint to read, and search finds.
//!
//! Without mdBook or Chromium the test says so and passes; with `LASTREF_REQUIRE_MDBOOK=1` and
//! `LASTREF_REQUIRE_CHROMIUM=1` it fails instead.

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use tempfile::TempDir;
use test_support::chromium::{self, Scheme, Seen, ask};

const WALK: &str = include_str!("site/walk.js");
const SEARCH: &str = include_str!("site/search.js");

/// The width of a phone, and of a screen.
const PHONE: u32 = 390;
const SCREEN: u32 = 1280;

/// Pages of which pictures are taken: with prose, with wide tables, with a drawing.
const PICTURES: [&str; 3] = ["compile-fail", "evidence", "statuses"];

/// What the walk says of a page.
#[derive(Debug, Deserialize)]
struct Look {
    links: Vec<String>,
    ids: Vec<String>,
    broken: Vec<String>,
    wide: i64,
    paper: String,
    faint: Vec<String>,
}

/// Whether mdBook is on `PATH`.
fn there_is_mdbook() -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).any(|folder| folder.join("mdbook").is_file());
    if !found {
        let required = env::var_os("LASTREF_REQUIRE_MDBOOK").is_some_and(|value| value == "1");
        assert!(!required, "LASTREF_REQUIRE_MDBOOK=1 and no mdbook is on PATH");
        // Not `eprintln!`: the test harness keeps that from being seen.
        let _ = writeln!(io::stderr(), "the site: skipped, because no mdbook is on PATH");
    }
    found
}

/// The site in a folder of this test, and the browser.
fn built(name: &str) -> Result<Option<(PathBuf, PathBuf)>, Box<dyn Error>> {
    let (true, Some(browser)) = (there_is_mdbook(), chromium::find()) else { return Ok(None) };
    let site = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    xtask::site::build(&site)?;
    Ok(Some((site.canonicalize()?, browser)))
}

/// What a walk over the site sees, by the address of the page.
fn walk(
    browser: &Path,
    site: &Path,
    width: u32,
    scheme: Scheme,
) -> Result<BTreeMap<String, Look>, Box<dyn Error>> {
    let scratch = TempDir::new()?;
    let index = site.join("index.html");
    let Seen { answer, console } = ask(browser, scratch.path(), &index, width, scheme, WALK);
    assert_eq!(console, [""; 0], "no error on the console");
    let looks: BTreeMap<String, Look> = serde_json::from_value(answer)?;
    for (page, look) in &looks {
        assert!(look.wide <= 0, "{page} is {} px wider than {width}", look.wide);
        assert!(look.broken.is_empty(), "{page} shows what is not there: {:?}", look.broken);
        assert!(look.faint.is_empty(), "{page} is hard to read, {scheme:?}: {:?}", look.faint);
    }
    Ok(looks)
}

/// A file as the browser calls it.
fn address(file: &Path) -> String {
    format!("file://{}", file.display().to_string().replace('%', "%25").replace(' ', "%20"))
}

/// The links that lead nowhere, as `page -> link`.
fn dead(looks: &BTreeMap<String, Look>) -> Vec<String> {
    let leads = |link: &str| {
        let (page, part) = link.split_once('#').map_or((link, ""), |(page, part)| (page, part));
        let Some(file) = page.strip_prefix("file://") else { return true };
        match looks.get(page) {
            Some(look) => part.is_empty() || look.ids.iter().any(|id| id == part),
            None => fs::read_to_string(file.replace("%20", " ").replace("%25", "%"))
                .is_ok_and(|text| part.is_empty() || text.contains(&format!("id=\"{part}\""))),
        }
    };
    let links = looks.iter().flat_map(|(page, look)| look.links.iter().map(move |to| (page, to)));
    links.filter(|(_, to)| !leads(to)).map(|(page, to)| format!("{page} -> {to}")).collect()
}

#[test]
fn the_site_can_be_read_everywhere() -> Result<(), Box<dyn Error>> {
    let Some((site, browser)) = built("site")? else { return Ok(()) };
    let phone = walk(&browser, &site, PHONE, Scheme::Dark)?;
    let screen = walk(&browser, &site, SCREEN, Scheme::Light)?;
    for looks in [&phone, &screen] {
        let dead = dead(looks);
        assert!(dead.is_empty(), "{} dead links:\n{}", dead.len(), dead.join("\n"));
    }

    // Each page can be reached, and is dark where that is wanted.
    for page in xtask::pages(&xtask::workspace::root().join("docs"))? {
        let below =
            page.strip_prefix(xtask::workspace::root().join("docs"))?.with_extension("html");
        let name = below.display().to_string().replace("README.html", "index.html");
        let address = address(&site.join(&name));
        if name != "SUMMARY.html" {
            let [dark, light] = [&phone, &screen].map(|looks| looks.get(&address));
            let dark = dark.ok_or(format!("no link leads to {name}"))?;
            let light = light.ok_or(format!("no link leads to {name}"))?;
            assert_ne!(dark.paper, light.paper, "{name}: dark is not light");
        }
    }
    Ok(())
}

#[test]
fn search_finds_a_page_by_its_word() -> Result<(), Box<dyn Error>> {
    let Some((site, browser)) = built("searched")? else { return Ok(()) };
    let scratch = TempDir::new()?;
    let question = SEARCH.replace("WORD", "weakening");
    let index = site.join("index.html");
    let seen = ask(&browser, scratch.path(), &index, SCREEN, Scheme::Light, &question);
    assert_eq!(seen.console, [""; 0], "no error on the console");
    let found = seen.answer.to_string();
    assert!(found.contains("Claims and what shows them"), "{found}");
    Ok(())
}

/// What is wrong with a site is seen: a walk over two pages that are not right.
#[test]
fn what_is_wrong_with_a_site_is_seen() -> Result<(), Box<dyn Error>> {
    let Some(browser) = chromium::find() else { return Ok(()) };
    let folder = TempDir::new()?;
    let page = folder.path().canonicalize()?.join("index.html");
    fs::write(
        &page,
        "<!DOCTYPE html><html style=\"background: #fff\"><main><p style=\"color: #eee; width: 500px\">faint</p>\
         <a href=\"other.html#gone\">a</a><a href=\"missing.svg\">b</a><img src=\"gone.svg\">",
    )?;
    fs::write(page.with_file_name("other.html"), "<!DOCTYPE html><main><p id=\"here\">b</p>")?;
    let scratch = TempDir::new()?;
    let seen = ask(&browser, scratch.path(), &page, PHONE, Scheme::Light, WALK);
    let looks: BTreeMap<String, Look> = serde_json::from_value(seen.answer)?;
    assert_eq!(looks.len(), 2, "{looks:?}");
    let look = &looks[&address(&page)];
    assert!(look.wide > 0 && look.broken.len() == 1 && look.faint.len() == 1, "{look:?}");
    let dead = dead(&looks);
    assert!(dead.len() == 2 && dead[0].ends_with("other.html#gone"), "{dead:?}");
    Ok(())
}

/// Takes the pictures, to be looked at.
#[test]
fn pictures_of_the_site_can_be_taken() -> Result<(), Box<dyn Error>> {
    let Some((site, browser)) = built("pictured")? else { return Ok(()) };
    let album = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pictures");
    fs::create_dir_all(&album)?;
    for name in PICTURES {
        let page = site.join(name).with_extension("html");
        for (what, width, scheme) in [("screen", SCREEN, 1), ("phone", PHONE, 0)] {
            let picture = album.join(format!("{name}-{what}.png"));
            take(&browser, &page, width, scheme, &picture)?;
            assert!(fs::metadata(&picture)?.len() > 0, "{}", picture.display());
        }
    }
    Ok(())
}

/// A picture of a page of this width. The scheme is Chromium's: 0 is dark.
fn take(browser: &Path, page: &Path, width: u32, scheme: u8, to: &Path) -> io::Result<()> {
    // A window cannot be as narrow as a phone; a frame in it can.
    let scratch = TempDir::new()?;
    let around = scratch.path().join("around.html");
    let frame = format!(
        "<iframe src=\"file://{}\" width=\"{width}\" height=\"1400\" style=\"border: 0\">",
        page.display()
    );
    fs::write(&around, format!("<!DOCTYPE html><body style=\"margin: 0\">{frame}"))?;
    let _ = fs::remove_file(to);
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        .args(["--allow-file-access-from-files", "--hide-scrollbars"])
        .arg(format!("--blink-settings=preferredColorScheme={scheme}"))
        .arg(format!("--user-data-dir={}", scratch.path().join("profile").display()))
        .arg(format!("--window-size={},1400", width.max(500)))
        .arg(format!("--screenshot={}", to.display()))
        .arg(format!("file://{}", around.display()))
        .output()?;
    let said = || String::from_utf8_lossy(&output.stderr).into_owned();
    if to.exists() { Ok(()) } else { Err(io::Error::other(said())) }
}
