//! Error codes: each that the code can give is explained in docs/reference/errors.md.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::{read, root};

const FOLDERS: [&str; 5] = ["orchestrator", "workers/src", "workflows/src", "server/src", "cli/src"];

/// What a code is given to, as its first text.
const GIVEN_TO: [&str; 18] = [
    "WorkError::permanent(",
    "WorkError::retryable(",
    "WorkError::unfit(",
    "StepError::permanent(",
    "StepError::retryable(",
    "StepError::unfit(",
    "StepError::lost_lease(",
    "Refusal::not_found(",
    "Refusal::conflict(",
    "Refusal::invalid(",
    "ApiError::invalid(",
    "ApiError::not_found(",
    "ApiError::new(",
    "ApiError::unauthorized(",
    "Refused::new(",
    "Failure::new(",
    "code: ",
    "WaitsFor::new(",
];

/// Codes are explained in the first column of the page's tables.
const PAGE: &str = "docs/reference/errors.md";

fn sources(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        let is_test = path.ends_with("tests") || path.ends_with("tests.rs") || path.ends_with("playground");
        if path.is_dir() && !is_test {
            sources(&path, found);
        } else if !is_test && path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn is_code(text: &str) -> bool {
    text.len() > 2 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// The text literal that begins within `text`, before the argument list goes on.
fn first_literal(text: &str) -> Option<&str> {
    let end = text.find(['(', ';', '{', '}']).unwrap_or(text.len());
    let (_, rest) = text[..end].split_once('"')?;
    rest.split_once('"').map(|(literal, _)| literal)
}

/// The code of every error, with the file that gives it.
fn given() -> BTreeMap<String, String> {
    let mut files = Vec::new();
    for folder in FOLDERS {
        sources(&root().join(folder), &mut files);
    }
    assert!(files.len() > 200, "{}", files.len());
    let mut found = BTreeMap::new();
    for file in files {
        let text = read(&file);
        let text = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
        let name = file.strip_prefix(root()).unwrap_or(&file).display().to_string();
        for start in GIVEN_TO {
            let codes = text.match_indices(start).filter_map(|(at, _)| first_literal(&text[at + start.len()..]));
            found.extend(codes.filter(|code| is_code(code)).map(|code| (code.to_owned(), name.clone())));
        }
        // `/// The code of …` above a constant.
        let constants = text.split("/// The code").skip(1).filter_map(|rest| {
            let constant = rest.lines().find(|line| !line.trim_start().starts_with("//"))?;
            constant.contains("const ").then_some(constant.split_once('"')?.1.split_once('"')?.0)
        });
        found.extend(constants.filter(|code| is_code(code)).map(|code| (code.to_owned(), name.clone())));
    }
    found
}

#[test]
fn every_error_code_is_explained() {
    let page = read(&root().join(PAGE));
    let first_cells = page.lines().filter_map(|line| line.strip_prefix("| `")).filter_map(|row| row.split_once('`'));
    let explained: BTreeSet<&str> = first_cells.map(|(code, _)| code).collect();
    let given = given();
    assert!(given.len() > 100, "{given:#?}");
    let missing: Vec<_> = given.iter().filter(|(code, _)| !explained.contains(code.as_str())).collect();
    assert!(missing.is_empty(), "not in {PAGE}: {missing:#?}");
}
