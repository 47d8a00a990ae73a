//! Tables and lists of facts, as wide as what reads them: a terminal's width, or whatever it takes in pipes and files, where every row is
//! one line.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Row, Table, presets};
use textwrap::core::Word;
use textwrap::wrap_algorithms::wrap_first_fit;

/// No terminal is taken to be narrower.
const LEAST_WIDTH: u16 = 40;

/// How much of an id is shown where all of it does not fit: its time, and enough to tell apart what began in the same millisecond. Every
/// command takes the beginning of an id.
const SHORT_ID: usize = 18;

/// Between two columns.
const GAP: u16 = 2;

/// The last column is this wide at least, if it has words as long.
const LEAST_LAST: usize = 24;

/// Between the name of a fact and its value.
const NAME_GAP: u16 = 3;

/// A column: its heading, and whether its contents are never broken over lines (ids, states).
pub(crate) struct Column {
    heading: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Whole,
    Figure,
    Id,
}

impl Column {
    /// May be broken over lines, between words.
    pub(crate) fn new(heading: &'static str) -> Self {
        Self { heading, kind: Kind::Text }
    }

    /// Never broken, so that it can be copied.
    pub(crate) fn whole(heading: &'static str) -> Self {
        Self { heading, kind: Kind::Whole }
    }

    /// Figures: never broken, aligned to the right.
    pub(crate) fn figure(heading: &'static str) -> Self {
        Self { heading, kind: Kind::Figure }
    }

    /// Ids of moves, removals and the like: never broken, shortened where there is no room for all of them.
    pub(crate) fn id(heading: &'static str) -> Self {
        Self { heading, kind: Kind::Id }
    }
}

/// What REALMCTL_COLUMNS says, else the width of the terminal that stdout is. `None`: stdout is a pipe or a file.
fn width() -> Option<u16> {
    let said =
        std::env::var("REALMCTL_COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|columns| *columns > 0);
    let width = said.or_else(|| console::Term::stdout().size_checked().map(|(_, columns)| columns));
    width.map(|columns| columns.max(LEAST_WIDTH))
}

/// A table without lines; nothing if there are no rows.
pub(crate) fn table<const N: usize>(columns: &[Column; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let rows: Vec<_> = rows.into_iter().collect();
    if rows.is_empty() { String::new() } else { table_within(width(), columns, rows) }
}

/// Facts about one thing: a name and a value a line.
pub(crate) fn facts(facts: impl IntoIterator<Item = (&'static str, String)>) -> String {
    facts_within(width(), facts)
}

fn table_within<const N: usize>(width: Option<u16>, columns: &[Column; N], mut rows: Vec<[String; N]>) -> String {
    if width.is_none() {
        rows.iter_mut().flatten().for_each(|cell| *cell = cell.replace('\n', " "));
    }
    if let Some(width) = width.map(usize::from).filter(|width| natural_width(columns, &rows) > *width) {
        for (place, column) in columns.iter().enumerate() {
            if column.kind == Kind::Id {
                shorten(&mut rows, place);
            }
        }
        let widths = widths(width, columns, &rows);
        for row in &mut rows {
            for (cell, width) in row.iter_mut().zip(widths) {
                *cell = wrap(cell, width);
            }
        }
    }
    let mut table = plain();
    table.set_header(columns.iter().map(|column| column.heading).map(Cell::new));
    for row in rows {
        table.add_row(Row::from(row));
    }
    for (place, wanted) in columns.iter().enumerate() {
        let Some(column) = table.column_mut(place) else { continue };
        column.set_padding((0, GAP));
        if wanted.kind == Kind::Figure {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

fn facts_within(width: Option<u16>, facts: impl IntoIterator<Item = (&'static str, String)>) -> String {
    let facts: Vec<_> = facts.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    let names = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + usize::from(NAME_GAP);
    let mut table = plain();
    for (name, value) in facts {
        let value = width.map_or_else(|| value.clone(), |width| wrap(&value, usize::from(width).saturating_sub(names)));
        table.add_row([name.to_owned(), value]);
    }
    if let Some(column) = table.column_mut(0) {
        column.set_padding((0, NAME_GAP));
    }
    if let Some(column) = table.column_mut(1) {
        column.set_padding((0, 0));
    }
    table.trim_fmt()
}

fn plain() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table
}

/// How wide each column may be, so that all of them fit: what may be broken shares what the others leave, and whoever needs less than its
/// share leaves it to the rest. None is narrower than its longest word, for words are never broken; where that is too much the lines are
/// longer. In the last column only those that have the word.
fn widths<const N: usize>(width: usize, columns: &[Column; N], rows: &[[String; N]]) -> [usize; N] {
    let natural: [usize; N] =
        std::array::from_fn(|place| content_width(columns[place].heading, rows.iter().map(|row| row[place].as_str())));
    let least: [usize; N] = std::array::from_fn(|place| {
        if columns[place].kind != Kind::Text {
            return natural[place];
        }
        let longest = rows.iter().map(|row| longest_word(&row[place])).max().unwrap_or(0);
        let longest = if place + 1 == N { longest.min(LEAST_LAST) } else { longest };
        longest.max(columns[place].heading.len())
    });
    let mut left = width.saturating_sub(usize::from(GAP) * (N - 1) + least.iter().sum::<usize>());
    let mut widths = least;
    let mut open: Vec<usize> = (0..N).filter(|place| natural[*place] > least[*place]).collect();
    open.sort_by_key(|place| natural[*place] - least[*place]);
    for (taken, place) in open.iter().enumerate() {
        let more = (natural[*place] - least[*place]).min(left / (open.len() - taken));
        widths[*place] += more;
        left -= more;
    }
    widths
}

fn is_command(line: &str) -> bool {
    line.trim_start().starts_with("realmctl ")
}

/// How wide what can't be broken is.
fn longest_word(text: &str) -> usize {
    let of_line = |line: &str| {
        let words = if is_command(line) { line.split('\n') } else { line.split(' ') };
        words.map(console::measure_text_width).max().unwrap_or(0)
    };
    text.lines().map(of_line).max().unwrap_or(0)
}

/// Breaks a text between words. Commands and words stay whole, be they longer than a line, so that they can be copied: ids, hashes, names,
/// addresses.
fn wrap(text: &str, width: usize) -> String {
    let line = |line: &str| if is_command(line) { line.to_owned() } else { wrap_line(line, width.max(1)) };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

fn wrap_line(line: &str, width: usize) -> String {
    let words: Vec<Word<'_>> = line.split_inclusive(' ').map(Word::from).collect();
    let lines = wrap_first_fit(&words, &[width as f64]);
    let joined = |words: &[Word<'_>]| {
        let text: String = words.iter().flat_map(|word| [word.word, word.whitespace]).collect();
        text.trim_end().to_owned()
    };
    lines.into_iter().map(joined).collect::<Vec<_>>().join("\n")
}

/// How wide the table is if nothing is broken.
fn natural_width<const N: usize>(columns: &[Column; N], rows: &[[String; N]]) -> usize {
    let of_column = |place: usize| content_width(columns[place].heading, rows.iter().map(|row| row[place].as_str()));
    (0..N).map(of_column).sum::<usize>() + usize::from(GAP) * (N - 1)
}

fn content_width<'a>(heading: &str, cells: impl Iterator<Item = &'a str>) -> usize {
    let of_cell = |cell: &str| cell.lines().map(console::measure_text_width).max().unwrap_or(0);
    cells.map(of_cell).max().unwrap_or(0).max(heading.len())
}

/// Cuts the cells of a column to their beginnings, as short as still tells them apart.
fn shorten<const N: usize>(rows: &mut [[String; N]], place: usize) {
    let longest = rows.iter().map(|row| row[place].len()).max().unwrap_or(0);
    let all: std::collections::BTreeSet<String> = rows.iter().map(|row| row[place].clone()).collect();
    let beginning = |id: &str, length: usize| id.get(..length).unwrap_or(id).to_owned();
    let tells_apart = |length: &usize| {
        let short: std::collections::BTreeSet<String> = all.iter().map(|id| beginning(id, *length)).collect();
        short.len() == all.len()
    };
    let Some(length) = (SHORT_ID..longest).find(tells_apart) else { return };
    for row in rows {
        row[place] = beginning(&row[place], length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: [&str; 2] = ["0199f3a1-7c00-7000-8000-000000000001", "0199f3a1-7c00-7a00-8000-000000000002"];

    fn removals(width: Option<u16>) -> String {
        let columns = [
            Column::id("ID"),
            Column::new("TENANT"),
            Column::new("SERVICE"),
            Column::new("LOCATION"),
            Column::whole("STATE"),
            Column::figure("AGE"),
        ];
        let row = |id: &str| [id, "acme", "issue-service", "eu-west-1", "failed: late_writes", "3d"].map(str::to_owned);
        table_within(width, &columns, IDS.map(row).into())
    }

    #[test]
    fn in_80_columns_ids_are_shortened_and_nothing_else_is_lost() {
        let text = removals(Some(80));
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert_eq!(text.lines().count(), 3, "one line a removal: {text}");
        for word in ["0199f3a1-7c00-7000", "0199f3a1-7c00-7a00", "issue-service", "eu-west-1", "late_writes", "3d"] {
            assert!(text.contains(word), "{word}: {text}");
        }
        assert!(!text.contains(IDS[0]), "{text}");
    }

    #[test]
    fn with_room_for_them_ids_are_whole() {
        for width in [Some(120), None] {
            let text = removals(width);
            assert!(IDS.iter().all(|id| text.contains(id)), "{text}");
        }
    }

    #[test]
    fn lines_are_broken_between_words_and_neither_words_nor_commands_are() {
        let name = "media-service/us-east-1/media-us-east-1";
        assert_eq!(wrap(name, 17), name);
        assert_eq!(wrap("retrying for 5m: endpoint_unreachable", 17), "retrying for 5m:\nendpoint_unreachable");
        assert_eq!(wrap("failed: late_writes", 17), "failed:\nlate_writes");
        assert_eq!(wrap(&format!("move {}, realm eu", IDS[0]), 20), format!("move\n{},\nrealm eu", IDS[0]));
        assert_eq!(wrap("bae02f5c7d", 4), "bae02f5c7d");
        let command = "realmctl moves cancel 0199f3a1-7c00-7000-8000-000000000001";
        assert_eq!(wrap(&format!("stop it:\n{command}"), 20), format!("stop it:\n{command}"));
    }

    #[test]
    fn lines_are_longer_rather_than_that_a_word_is_broken() {
        let scope = "table:dynamodb|aws:eu-west-1|issues";
        let columns = || [Column::new("SCOPE"), Column::figure("LIMIT"), Column::new("REASON")];
        let row = |scope: &str, reason: &str| [scope.to_owned(), "20".to_owned(), reason.to_owned()];
        let text = table_within(Some(60), &columns(), vec![row(scope, "shared with search, and throttled")]);
        assert!(text.contains(scope) && text.lines().all(|line| line.len() <= 60), "{text}");
        let text = table_within(Some(40), &columns(), vec![row(scope, "shared with search, and throttled")]);
        assert!(text.contains(scope), "{text}");
        // In the last column it is no concern of the other lines.
        let rows = vec![row("overall", scope), row("region:eu-west-1", "the table is throttled, says the owner of it")];
        let text = table_within(Some(50), &columns(), rows);
        let wide: Vec<&str> = text.lines().filter(|line| line.len() > 50).collect();
        assert!(wide.len() == 1 && wide[0].ends_with(scope), "{text}");
    }

    #[test]
    fn in_a_pipe_nothing_is_broken() {
        let long = "a reason that is longer than any terminal is wide ".repeat(9);
        let text = table_within(None, &[Column::new("REASON")], vec![[long.clone()]]);
        assert_eq!(text.lines().nth(1), Some(long.trim_end()));
    }

    #[test]
    fn ids_are_as_long_as_it_takes_to_tell_them_apart() {
        let mut rows: Vec<[String; 1]> = vec![["x".repeat(30) + "a"], ["x".repeat(30) + "b"]];
        shorten(&mut rows, 0);
        assert_ne!(rows[0], rows[1]);
    }

    #[test]
    fn empty_facts_are_left_out() {
        let text = facts_within(None, [("Id", "7".to_owned()), ("Error", String::new())]);
        assert_eq!(text, "Id   7");
    }
}
