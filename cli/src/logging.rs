//! The log: to stderr, text or JSON, filtered by RUST_LOG. What a command has to say to its user is not logged but said.

use std::io::{self, IsTerminal, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::output::Terminal;

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What a command logs unless somebody asks for more.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Log {
    /// How its lines look.
    pub(crate) format: LogFormat,
    /// The level of our own crates.
    pub(crate) ours: &'static str,
    /// Directives for the libraries below.
    pub(crate) libraries: &'static str,
}

/// Starts the log. `verbose` says how much more than usual is wanted of our own crates; RUST_LOG decides alone when set.
pub(crate) fn start(log: Log, verbose: u8, terminal: &Terminal) {
    let level = match verbose {
        0 => log.ours,
        1 => "info",
        _ => "debug",
    };
    // The libraries below speak up only when something is wrong.
    let ours = ["realmctl", "server", "workflows", "workers", "engine", "catalogue", "store"];
    let directives: Vec<String> = ours.iter().map(|target| format!("{target}={level}")).collect();
    let default = format!("{},{}", log.libraries, directives.join(","));
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    // It would tell stderr that stderr can't be written, and panic when that fails.
    let builder = tracing_subscriber::fmt().log_internal_errors(false).with_env_filter(filter);
    let builder = builder.with_writer(BesideBars(terminal.clone()));
    // Another log is already in place only in a process that is not ours to configure.
    let _ = match log.format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.with_ansi(colours_wanted()).try_init(),
    };
}

fn colours_wanted() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Writes log lines to stderr without tearing progress bars. Those that can't be written, as on a full disk, are lost, and stop nobody.
struct BesideBars(Terminal);

impl<'a> MakeWriter<'a> for BesideBars {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(&self.0)
    }
}

struct Line<'a>(&'a Terminal);

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        drop(self.0.bars.suspend(|| io::stderr().write_all(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
