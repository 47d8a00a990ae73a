//! Error codes: what each means, and what to do about it. The reference page is compiled in, so that documents, API and command line
//! tell the same.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

const PAGE: &str = include_str!("../../docs/reference/errors.md");

/// The page and its folder, from which its links lead on.
const FILE: &str = "docs/reference/errors.md";
const FOLDER: &str = "docs/reference";

static ROWS: LazyLock<Vec<ErrorCode>> = LazyLock::new(|| rows(PAGE));

/// An error code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorCode {
    /// The code. Never renamed or reused.
    pub code: String,
    /// Where it shows up: a request, a move, a removal, ….
    pub place: String,
    /// What it means.
    pub meaning: String,
    /// What to do; empty where the page says nothing of it.
    pub next_step: String,
}

/// Every row of the page's tables of codes, in its order: errors first, then what is no error, then what stands in logs.
pub fn all() -> Vec<ErrorCode> {
    ROWS.clone()
}

/// The code of that name: as an error, if it is one.
pub fn find(code: &str) -> Option<ErrorCode> {
    ROWS.iter().find(|known| known.code == code).cloned()
}

/// Every row of that code, in the page's order: some codes have one in several tables.
pub fn find_all(code: &str) -> Vec<ErrorCode> {
    ROWS.iter().filter(|known| known.code == code).cloned().collect()
}

/// The rows of all tables whose first column is headed `code`. What the other columns hold is told by their headings.
fn rows(page: &str) -> Vec<ErrorCode> {
    let mut found = Vec::new();
    let (mut section, mut headings) = ("", Vec::new());
    for line in page.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            section = title;
        }
        match cells(line) {
            None => headings.clear(),
            Some(cells) if headings.is_empty() => headings = cells,
            Some(cells) => found.extend(row(section, &headings, &cells)),
        }
    }
    found
}

/// The cells of a line of a table; `None`: it is no such line.
fn cells(line: &str) -> Option<Vec<&str>> {
    let inner = line.trim_end().strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.split(" | ").map(str::trim).collect())
}

/// `` | `code` | where | meaning | do | ``, or fewer of these.
fn row(section: &str, headings: &[&str], cells: &[&str]) -> Option<ErrorCode> {
    let column = |names: &[&str]| {
        let at = headings.iter().position(|heading| names.contains(heading))?;
        cells.get(at).map(|cell| with_paths(cell))
    };
    let code = cells.first()?.strip_prefix('`')?.strip_suffix('`')?;
    if headings.first() != Some(&"code") {
        return None;
    }
    Some(ErrorCode {
        code: code.to_owned(),
        place: column(&["where"]).unwrap_or_else(|| place_of(section)),
        meaning: column(&["meaning"])?,
        next_step: column(&["do", "what to do"]).unwrap_or_default(),
    })
}

/// Where the codes of a section show up whose table has no column for it.
fn place_of(section: &str) -> String {
    let section = section.to_lowercase();
    if section.contains("no error") {
        "explain, dry run, status".to_owned()
    } else if section.contains("log") {
        "log".to_owned()
    } else {
        section
    }
}

/// The text with the target of each link behind it, as seen from the repository's root: outside the page a link leads nowhere.
fn with_paths(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, link)) = rest.split_once('[') {
        plain.push_str(before);
        let parts = link.split_once("](").filter(|(label, _)| !label.contains(['[', ']']));
        let Some((label, (target, after))) = parts.and_then(|(label, rest)| Some((label, rest.split_once(')')?)))
        else {
            plain.push('[');
            rest = link;
            continue;
        };
        plain.push_str(&format!("{label} ({})", from_root(target)));
        rest = after;
    }
    plain + rest
}

/// A link's target as seen from the repository's root; what leads out of it stays as it is.
fn from_root(target: &str) -> String {
    if target.contains("://") {
        return target.to_owned();
    }
    let (path, anchor) = target.split_at(target.find('#').unwrap_or(target.len()));
    if path.is_empty() {
        return format!("{FILE}{anchor}");
    }
    let mut parts: Vec<&str> = FOLDER.split('/').collect();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/") + anchor
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_page_is_read() {
        let lines = PAGE.lines().filter(|line| line.starts_with("| `")).count();
        let all = all();
        assert!(all.len() > 150 && lines >= all.len(), "{} of {lines}", all.len());
        for code in &all {
            let told = !code.place.is_empty() && !code.meaning.is_empty();
            assert!(told && code.code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{code:?}");
            assert!(![&code.meaning, &code.next_step].iter().any(|text| text.contains("](")), "a link: {code:?}");
        }
        let errors = rows(PAGE.split("\n## ").next().unwrap_or_default());
        assert!(errors.len() > 150 && errors.iter().all(|code| !code.next_step.is_empty()), "{errors:?}");
        assert!(errors.is_sorted_by(|one, other| one.code < other.code), "alphabetically, each once");
        assert_eq!(all[..errors.len()], errors);
    }

    #[test]
    fn a_code_is_found_with_what_to_do() {
        let found = find("clock_skew").expect("a code");
        assert!(
            found.meaning.contains("differ by more than") && found.next_step.contains("time synchronisation"),
            "{found:?}"
        );
        assert_eq!(find("no_such_code"), None);
        for code in ["at_work", "waiting", "handed_over"] {
            assert!(find(code).is_some() && !find_all(code).is_empty(), "no error, and yet a code: {code}");
        }
    }

    #[test]
    fn columns_are_known_by_their_headings_and_a_code_may_have_several_rows() {
        let page = "| code | where | meaning | do |\n| --- | --- | --- | --- |\n| `paused` | request | it is | wait |\n\n\
                    ## Codes that are no errors\n| code | meaning | what to do |\n| --- | --- | --- |\n\
                    | `paused` | held back | resume it |\n\n## Codes that stand in logs\n| code | meaning |\n| --- | --- |\n\
                    | `lost_lease` | it stops |\n\n| where | what |\n| --- | --- |\n| `here` | no code |\n";
        let row = |code: &str, place: &str, meaning: &str, next_step: &str| ErrorCode {
            code: code.to_owned(),
            place: place.to_owned(),
            meaning: meaning.to_owned(),
            next_step: next_step.to_owned(),
        };
        let wanted = [
            row("paused", "request", "it is", "wait"),
            row("paused", "explain, dry run, status", "held back", "resume it"),
            row("lost_lease", "log", "it stops", ""),
        ];
        assert_eq!(rows(page), wanted);
    }

    #[test]
    fn links_are_told_as_paths_from_the_root() {
        let cases = [
            ("see [hooks](../hooks.md), or [this](x.md).", "see hooks (docs/hooks.md), or this (docs/reference/x.md)."),
            ("[late writes](../guides/on-call.md#late-writes)", "late writes (docs/guides/on-call.md#late-writes)"),
            ("the [API](api.md#problems)", "the API (docs/reference/api.md#problems)"),
            (
                "[above](#errors) or [there](https://a.example/b)",
                "above (docs/reference/errors.md#errors) or there (https://a.example/b)",
            ),
            ("limits [default: none] and [this](x.md)", "limits [default: none] and this (docs/reference/x.md)"),
        ];
        for (text, plain) in cases {
            assert_eq!(with_paths(text), plain);
        }
    }
}
