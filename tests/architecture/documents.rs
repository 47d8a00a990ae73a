//! What documents say about the tree: files that they name exist, links lead somewhere, and pages keep to their size and words.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{read, root};

/// Paths in backticks begin with one of these, or are about something else.
const FOLDERS: [&str; 11] = [
    "benches/",
    "cli/",
    "docs/",
    "migrations/",
    "model/",
    "orchestrator/",
    "server/",
    "testkit/",
    "tests/",
    "workers/",
    "workflows/",
];

/// The README is read in five minutes.
const README_LINES: usize = 120;

/// Prose is wrapped at about 110 columns, so that it reads in a terminal.
const COLUMNS: usize = 120;

fn documents() -> Vec<PathBuf> {
    let mut git = Command::new("git");
    let listed = git.args(["ls-files", "--cached", "--others", "--exclude-standard", "*.md"]).current_dir(root());
    let listed = listed.output().expect("git runs");
    let files = String::from_utf8(listed.stdout).expect("UTF-8");
    let files: Vec<PathBuf> = files.lines().map(|file| root().join(file)).filter(|file| file.is_file()).collect();
    assert!(files.len() > 20, "{files:?}");
    files
}

/// The text without blocks of code.
fn prose(text: &str) -> String {
    let mut code = false;
    let lines = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What stands between two of these marks.
fn between<'a>(text: &'a str, open: &'a str, close: char) -> impl Iterator<Item = &'a str> {
    text.split(open).skip(1).filter_map(move |rest| rest.split_once(close).map(|(inside, _)| inside))
}

/// The anchors that a page's headings make.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text);
    let headings =
        headings.lines().filter_map(|line| line.starts_with('#').then(|| line.trim_start_matches('#').trim()));
    let slug = |heading: &str| {
        let kept = heading.chars().filter(|letter| letter.is_alphanumeric() || [' ', '-', '_'].contains(letter));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    headings.map(slug).collect()
}

#[test]
fn every_file_that_a_document_names_is_there() {
    let mut missing = Vec::new();
    for document in documents() {
        if document.ends_with("CHANGELOG.md") {
            continue;
        }
        let text = prose(&read(&document));
        for (number, inside) in text.split('`').enumerate() {
            let path = inside.split([':', ' ', '#']).next().unwrap_or_default();
            let plain = path.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-./".contains(letter));
            if number % 2 == 1
                && plain
                && FOLDERS.iter().any(|folder| path.starts_with(folder))
                && !root().join(path).exists()
            {
                missing.push(format!("{}: `{path}`", document.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn every_link_leads_somewhere() {
    let mut broken = Vec::new();
    for document in documents() {
        let text = prose(&read(&document));
        for link in between(&text, "](", ')') {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
            let folder = document.parent().unwrap_or(Path::new("."));
            let target = if path.is_empty() { document.clone() } else { folder.join(path) };
            let leads = target.exists()
                && anchor.is_none_or(|anchor| target.is_file() && anchors(&read(&target)).contains(anchor));
            if !leads {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn pages_keep_to_their_size() {
    let readme = read(&root().join("README.md"));
    assert!(readme.lines().count() < README_LINES, "README.md has {} lines", readme.lines().count());
    let mut long = Vec::new();
    for document in documents() {
        let text = prose(&read(&document));
        // A table's row and a link can't be broken.
        let wide = text
            .lines()
            .filter(|line| line.chars().count() > COLUMNS && !line.starts_with('|') && !line.contains("]("));
        long.extend(wide.map(|line| format!("{}: {line}", document.display())));
    }
    assert!(long.is_empty(), "{} lines are wider than {COLUMNS} columns:\n{}", long.len(), long.join("\n"));
}
