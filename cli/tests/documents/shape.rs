//! The shape of output: its words and its order, without what differs from run to run (times, numbers, ids, sizes) and without the
//! widths of columns.

/// The units that follow a number.
const UNITS: [&str; 9] = ["ms", "s", "min", "h", "d", "B", "KiB", "MiB", "GiB"];

/// One line's shape.
pub(crate) fn of(line: &str) -> String {
    let mut kept: Vec<String> = Vec::new();
    for word in line.split_whitespace() {
        let bare = word.trim_matches(|letter: char| "()`'\",:;.".contains(letter));
        let shape = if UNITS.contains(&bare) && kept.last().is_some_and(|last| last.ends_with('N')) {
            // `15 min 0 s` and `2.1 s` are both one amount.
            continue;
        } else {
            word.replacen(bare, &of_word(bare), usize::from(!bare.is_empty()))
        };
        if !(shape == "N" && kept.last().is_some_and(|last| last == "N")) {
            kept.push(shape);
        }
    }
    kept.join(" ")
}

fn of_word(word: &str) -> String {
    let hex = |text: &str| text.chars().all(|letter| letter.is_ascii_hexdigit());
    let number = |text: &str| {
        text.starts_with(|first: char| first.is_ascii_digit())
            && text.chars().all(|letter| letter.is_ascii_digit() || ",.:-%".contains(letter))
    };
    // `17s`, as ages are written.
    let unit = word.trim_start_matches(|letter: char| letter.is_ascii_digit());
    if word.len() == 36 && word.chars().all(|letter| letter == '-' || letter.is_ascii_hexdigit()) {
        "ID".to_owned()
    } else if word.len() >= 16 && hex(word) {
        "HASH".to_owned()
    } else if word.starts_with("rct_") {
        "TOKEN".to_owned()
    } else if word.starts_with("http://127.0.0.1:") {
        "URL".to_owned()
    } else if number(word) || (unit.len() < word.len() && UNITS.contains(&unit)) {
        "N".to_owned()
    } else {
        word.to_owned()
    }
}

/// The first shown line that the output does not have, in its order. `…` stands for lines that are left out, and so does nothing: what
/// documents show is shortened.
pub(crate) fn missing<'a>(shown: &'a [String], output: &str) -> Option<&'a str> {
    let mut lines = output.lines().map(of);
    let shown = shown.iter().filter(|line| !line.trim().is_empty() && line.trim() != "…");
    shown.map(String::as_str).find(|line| {
        let shape = of(line);
        !lines.any(|line| line == shape)
    })
}

#[test]
fn what_differs_from_run_to_run_has_one_shape() {
    assert_eq!(of("Offline at most   15 min 0 s"), of("Offline at most  2.1 s"));
    assert_eq!(of("  commit  12 ms  switched: acme is online"), of(" commit 1.1 s switched: acme is online"));
    assert_eq!(of("from 2026-11-30 16:50:20 UTC to"), of("from 2027-01-02 00:00:00 UTC to"));
    assert_eq!(of("(move 01a20046-e4de-7047-ba66-e6c09c549766)"), of("(move 01a22e6e-3256-7371-b628-608aed52eadf)"));
    assert_ne!(of("State  completed"), of("State  failed"));
    assert_ne!(of("500 items"), of("500 objects"));
}

#[test]
fn lines_may_be_left_out_but_not_invented_or_swapped() {
    let shown = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    assert_eq!(missing(&shown(&["a", "…", "c 1"]), "a\nb\nc 22\n"), None);
    assert_eq!(missing(&shown(&["c", "a"]), "a\nb\nc\n"), Some("a"));
    assert_eq!(missing(&shown(&["d"]), "a\n"), Some("d"));
}
