//! What goes where: stdout is data (a table or JSON), stderr is everything else. No meaning is carried by colour.

use std::io::{self, IsTerminal, Write};

use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Row, Table, presets};
use indicatif::MultiProgress;
use serde::Serialize;

use crate::exit::Failure;

/// Tables never grow wider than this, so that they can be pasted into a ticket.
const WIDTH: u16 = 80;

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// Where a command prints to. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Terminal {
    /// How data is printed.
    pub(crate) format: Format,
    /// Whether a person watches stderr: only then are there bars.
    pub(crate) interactive: bool,
    /// Draws all bars; lines are printed through it so that they do not tear them.
    pub(crate) bars: MultiProgress,
    /// Whether stderr is read by a program: what is said is logged then.
    pub(crate) logs_json: bool,
}

impl Terminal {
    pub(crate) fn new(format: Format, logs_json: bool) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let interactive = io::stderr().is_terminal() && !dumb && !logs_json;
        Self { format, interactive, bars: MultiProgress::new(), logs_json }
    }

    /// One line, or a few, to stderr.
    pub(crate) fn say(&self, text: &str) {
        if self.logs_json {
            tracing::info!("{text}");
        } else {
            self.line(text);
        }
    }

    /// Why a command ends without having done what was asked.
    pub(crate) fn fail(&self, message: &str) {
        if self.logs_json {
            tracing::error!("{message}");
        } else {
            self.line(&format!("error: {message}"));
        }
    }

    fn line(&self, text: &str) {
        // Nothing can be done about a stderr that has gone away.
        self.bars.suspend(|| writeln!(io::stderr(), "{text}").ok());
    }

    /// Data to stdout: as JSON, or whatever `table` makes of it.
    pub(crate) fn data<T: Serialize>(&self, data: &T, table: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        match self.format {
            Format::Table => self.text(&table(data)),
            Format::Json => {
                let json = serde_json::to_string_pretty(data)
                    .map_err(|error| Failure::failed(format!("the answer can't be written as JSON: {error}")))?;
                self.text(&json)
            }
        }
    }

    /// Text to stdout, ending in one line break. A reader that has had enough (`| head`) is no failure.
    pub(crate) fn text(&self, text: &str) -> Result<(), Failure> {
        if text.is_empty() {
            return Ok(());
        }
        let written = self.bars.suspend(|| {
            let mut stdout = io::stdout().lock();
            writeln!(stdout, "{}", text.trim_end()).and_then(|()| stdout.flush())
        });
        match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::failed(format!("stdout can't be written: {error}")))
            }
            _ => Ok(()),
        }
    }
}

/// A column: its heading, and whether its contents are never broken over lines (ids, states).
pub(crate) struct Column {
    heading: &'static str,
    whole: bool,
    right: bool,
}

impl Column {
    /// May be broken over lines.
    pub(crate) fn new(heading: &'static str) -> Self {
        Self { heading, whole: false, right: false }
    }

    /// Never broken, so that it can be copied.
    pub(crate) fn whole(heading: &'static str) -> Self {
        Self { whole: true, ..Self::new(heading) }
    }

    /// Figures: never broken, aligned to the right.
    pub(crate) fn figure(heading: &'static str) -> Self {
        Self { right: true, ..Self::whole(heading) }
    }
}

/// A table without lines, at most 80 columns wide.
pub(crate) fn table<const N: usize>(columns: &[Column; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    laid_out(columns, rows.into_iter().map(Row::from))
}

/// The same with one line a row: what does not fit is cut off, and `show` has it whole.
pub(crate) fn lines<const N: usize>(columns: &[Column; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let one_line = |row: [String; N]| {
        let mut row = Row::from(row);
        row.max_height(1);
        row
    };
    laid_out(columns, rows.into_iter().map(one_line))
}

fn laid_out<const N: usize>(columns: &[Column; N], rows: impl Iterator<Item = Row>) -> String {
    let mut table = plain();
    table.set_header(columns.iter().map(|column| column.heading).map(Cell::new));
    for row in rows {
        table.add_row(row);
    }
    for (position, wanted) in columns.iter().enumerate() {
        let Some(column) = table.column_mut(position) else { continue };
        column.set_padding((0, 2));
        if wanted.whole {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
        if wanted.right {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// Facts about one thing: a name and a value a line.
pub(crate) fn facts(facts: impl IntoIterator<Item = (&'static str, String)>) -> String {
    let mut table = plain();
    for (name, value) in facts {
        if !value.is_empty() {
            table.add_row([name.to_owned(), value]);
        }
    }
    if let Some(column) = table.column_mut(0) {
        column.set_padding((0, 3)).set_constraint(ColumnConstraint::ContentWidth);
    }
    if let Some(column) = table.column_mut(1) {
        column.set_padding((0, 0));
    }
    table.trim_fmt()
}

fn plain() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_fit_80_columns_and_keep_ids_whole() {
        let id = "0199f3a1-7c00-7000-8000-000000000001";
        let row =
            [id, "a-tenant-with-a-rather-long-name", "activity-service", "us-east-1", "failed"].map(str::to_owned);
        let columns = [
            Column::whole("ID"),
            Column::new("TENANT"),
            Column::new("SERVICE"),
            Column::new("LOCATION"),
            Column::whole("STATE"),
        ];
        let text = table(&columns, [row]);
        assert!(text.contains(id), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn empty_facts_are_left_out() {
        let text = facts([("Id", "7".to_owned()), ("Error", String::new())]);
        assert_eq!(text, "Id   7");
    }
}
