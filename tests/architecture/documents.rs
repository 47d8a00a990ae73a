//! What documents say about the tree: files that they name exist, links lead somewhere, and pages keep to their size and words.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

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
    let mut files = Vec::new();
    files_below(&root(), "md", &mut files);
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
        headings.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let slug = |heading: &str| {
        let kept = heading.chars().filter(|letter| letter.is_alphanumeric() || [' ', '-', '_'].contains(letter));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    headings.map(slug).collect()
}

#[test]
fn every_file_that_a_document_names_is_there() {
    let mut missing = Vec::new();
    let mut sources = Vec::new();
    files_below(&root(), "rs", &mut sources);
    let is_a_source = |name: &str| sources.iter().any(|file| file.file_name().is_some_and(|of| of == name));
    for document in documents() {
        if document.ends_with("CHANGELOG.md") {
            continue;
        }
        let text = prose(&read(&document));
        for (number, inside) in text.split('`').enumerate() {
            let path = inside.split([':', ' ', '#']).next().unwrap_or_default();
            let plain = path.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-./".contains(letter));
            if number % 2 == 1 && plain && path.ends_with(".rs") && !path.contains('/') && !is_a_source(path) {
                missing.push(format!("{}: `{path}`", document.display()));
            }
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

/// A threat without its test would look covered.
#[test]
fn every_test_that_the_threat_model_names_is_there() {
    let mut sources = Vec::new();
    files_below(&root(), "rs", &mut sources);
    let sources: Vec<String> = sources.iter().map(|file| read(file)).collect();
    let text = read(&root().join("docs/security.md"));
    let rows = text.lines().filter(|line| line.starts_with("| ")).collect::<Vec<_>>().join("\n");
    let named: Vec<&str> = rows
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| {
            name.matches('_').count() > 2 && name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_')
        })
        .collect();
    assert!(named.len() > 10, "{named:?}");
    for name in named {
        assert!(sources.iter().any(|source| source.contains(&format!("fn {name}("))), "there is no test {name}");
    }
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

/// The words of docs/style.md that must not stand in help texts, messages and documents.
fn banned() -> Vec<String> {
    let text = read(&root().join("docs/style.md"));
    let (_, table) = text.split_once("## Banned words").expect("the page has the table");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| ")).filter_map(|row| row.split_once(" |"));
    let words: Vec<String> = rows.map(|(word, _)| word.trim().to_lowercase()).collect();
    let words: Vec<String> = words.into_iter().filter(|word| word != "do not write" && word != "---").collect();
    assert!(words.len() > 10, "{words:?}");
    words
}

/// Whether a text has this as whole words, in any case and over the ends of lines.
fn says(text: &str, word: &str) -> bool {
    let text = text.to_lowercase();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let letter =
        |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_' || letter == '-');
    text.match_indices(word)
        .any(|(at, _)| !letter(text[..at].chars().next_back()) && !letter(text[at + word.len()..].chars().next()))
}

fn files_below(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        let is_ours = ![".git", "target"].iter().any(|name| path.ends_with(name));
        if path.is_dir() && is_ours {
            files_below(&path, extension, found);
        } else if path.extension().is_some_and(|of| of == extension) {
            found.push(path);
        }
    }
}

/// The texts between quotes of a source, without comments.
fn literals(text: &str) -> String {
    let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
    let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = code.map(|line| line.trim().trim_end_matches('\\')).collect::<Vec<_>>().join(" ");
    code.split('"').skip(1).step_by(2).collect::<Vec<_>>().join("\n")
}

#[test]
fn no_banned_word_is_said() {
    let mut texts: Vec<(PathBuf, String)> = Vec::new();
    for document in documents() {
        if !document.ends_with("CHANGELOG.md") && !document.ends_with("docs/style.md") {
            texts.push((document.clone(), read(&document)));
        }
    }
    let mut shown = Vec::new();
    files_below(&root().join("cli/tests/help"), "txt", &mut shown);
    files_below(&root().join("cli/tests/golden/expected"), "txt", &mut shown);
    texts.extend(shown.into_iter().map(|file| (file.clone(), read(&file))));
    let mut sources = Vec::new();
    for folder in
        ["orchestrator/engine/src", "orchestrator/store/src", "workers/src", "workflows/src", "server/src", "cli/src"]
    {
        files_below(&root().join(folder), "rs", &mut sources);
    }
    texts.extend(sources.into_iter().map(|file| (file.clone(), literals(&read(&file)))));
    assert!(texts.len() > 300, "{}", texts.len());
    let said = texts.iter().flat_map(|(file, text)| {
        banned()
            .into_iter()
            .filter(|word| says(text, word))
            .map(|word| format!("{}: {word}", file.display()))
            .collect::<Vec<_>>()
    });
    let said: Vec<String> = said.collect();
    assert!(said.is_empty(), "{}", said.join("\n"));
}

#[test]
fn a_banned_word_is_found_whatever_its_case_and_not_within_another() {
    assert!(says("It Went\n  back.", "went back") && says("a cell", "cell"));
    assert!(!says("cancelled, cell_1, cell-like", "cell") && !says("wentback", "went back"));
}
