//! What goes where: stdout is data (text with tables, JSON, or YAML), stderr is everything else. With `--output json` and `yaml` notes and
//! errors are JSON, one object a line: `{"note": …}` or `{"error": {"code", "message", "exit"}}`. (The log is apart: `--log-format`.) No meaning is
//! carried by colour.

use std::io::{self, IsTerminal, Write};

use indicatif::MultiProgress;
use serde::Serialize;
use serde_json::json;

use crate::exit::{Exit, Failure};

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// The same as json, as YAML.
    Yaml,
}

/// Where a command prints to. Cheap to clone.
#[derive(Debug, Clone)]
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
        let interactive = io::stderr().is_terminal() && !dumb && !logs_json && format == Format::Table;
        Self { format, interactive, bars: MultiProgress::new(), logs_json }
    }

    /// One line, or a few, to stderr.
    pub(crate) fn say(&self, text: &str) {
        match self.format {
            _ if self.logs_json => tracing::info!("{text}"),
            Format::Table => self.line(text),
            Format::Json | Format::Yaml => self.line(&json!({ "note": text }).to_string()),
        }
    }

    /// Why a command ends without having done what was asked.
    pub(crate) fn fail(&self, failure: &Failure) {
        let Failure { exit, code, message } = failure;
        match self.format {
            _ if self.logs_json => tracing::error!(code, "{message}"),
            Format::Table if *exit == Exit::Interrupted => self.line(message),
            Format::Table => self.line(&format!("error: {message}")),
            Format::Json | Format::Yaml => {
                let error = json!({ "code": code, "message": message, "exit": *exit as u8 });
                self.line(&json!({ "error": error }).to_string());
            }
        }
    }

    fn line(&self, text: &str) {
        // Nothing can be done about a stderr that has gone away.
        self.bars.suspend(|| writeln!(io::stderr(), "{text}").ok());
    }

    /// Data to stdout: as JSON or YAML, or whatever `table` makes of it.
    pub(crate) fn data<T: Serialize>(&self, data: &T, table: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        match self.format {
            Format::Table => self.text(&table(data)),
            Format::Json => {
                let json = serde_json::to_string_pretty(data)
                    .map_err(|error| Failure::failed(format!("the answer can't be written as JSON: {error}")))?;
                self.text(&json)
            }
            Format::Yaml => {
                let yaml = crate::yaml::text(data)
                    .map_err(|error| Failure::failed(format!("the answer can't be written as YAML: {error}")))?;
                // Blank lines at the end may belong to a text.
                self.write(yaml.strip_suffix('\n').unwrap_or(&yaml))
            }
        }
    }

    /// Refuses `--output yaml` for what goes to stdout as JSON lines, one object a line, however it is asked for.
    pub(crate) fn lines_are_json(&self) -> Result<(), Failure> {
        match self.format {
            Format::Yaml => {
                Err(Failure::usage("this is printed as JSON lines, never as YAML: leave out --output yaml"))
            }
            Format::Table | Format::Json => Ok(()),
        }
    }

    /// Text to stdout, ending in one line break. A reader that has had enough (`| head`) is no failure.
    pub(crate) fn text(&self, text: &str) -> Result<(), Failure> {
        if text.is_empty() { Ok(()) } else { self.write(text.trim_end()) }
    }

    fn write(&self, text: &str) -> Result<(), Failure> {
        let written = self.bars.suspend(|| {
            let mut stdout = io::stdout().lock();
            writeln!(stdout, "{text}").and_then(|()| stdout.flush())
        });
        match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::failed(format!("stdout can't be written: {error}")))
            }
            _ => Ok(()),
        }
    }
}
