//! Error codes: what each means, and what to do about it. The reference page is compiled in, so that documents, API and command line
//! tell the same.

use serde::{Deserialize, Serialize};

const PAGE: &str = include_str!("../../docs/reference/errors.md");

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
    /// What to do.
    pub next_step: String,
}

/// Every code of the page, in its order.
pub fn all() -> Vec<ErrorCode> {
    PAGE.lines().filter_map(row).collect()
}

/// The code of that name.
pub fn find(code: &str) -> Option<ErrorCode> {
    PAGE.lines().filter_map(row).find(|known| known.code == code)
}

/// `` | `code` | where | meaning | do | ``
fn row(line: &str) -> Option<ErrorCode> {
    let cells: Vec<&str> = line.strip_prefix("| `")?.strip_suffix('|')?.split(" | ").collect();
    let [code, place, meaning, next_step] = cells.as_slice() else { return None };
    let plain = |text: &str| without_links(text.trim());
    Some(ErrorCode {
        code: code.trim_end_matches('`').to_owned(),
        place: plain(place),
        meaning: plain(meaning),
        next_step: plain(next_step),
    })
}

/// A link's text alone: outside the page it leads nowhere.
fn without_links(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        let Some((label, after)) = after.split_once("](") else { break };
        plain.push_str(before);
        plain.push_str(label);
        rest = after.split_once(')').map_or("", |(_, after)| after);
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_page_is_read() {
        let rows = PAGE.lines().filter(|line| line.starts_with("| `")).count();
        let all = all();
        assert!(all.len() > 150 && rows >= all.len(), "{} of {rows}", all.len());
        for code in &all {
            let told = !code.place.is_empty() && !code.meaning.is_empty() && !code.next_step.is_empty();
            assert!(told && code.code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{code:?}");
        }
        assert!(all.is_sorted_by(|one, other| one.code < other.code), "alphabetically, each once");
    }

    #[test]
    fn a_code_is_found_with_what_to_do() {
        let found = find("clock_skew").expect("a code");
        assert!(
            found.meaning.contains("differ by more than") && found.next_step.contains("time synchronisation"),
            "{found:?}"
        );
        assert_eq!(find("no_such_code"), None);
        assert_eq!(without_links("see [hooks](../hooks.md), or [this](x)."), "see hooks, or this.");
    }
}
