//! `realmctl errors`: what error codes mean, and what to do. Needs no server.

use clap::Args;
use serde::Serialize;
use serde_json::json;
use workflows::error_codes::{self, ErrorCode};

use crate::exit::{Exit, Failure};
use crate::output::Terminal;
use crate::tables::{Column, facts, table};

/// Explain an error code, or list them all
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  realmctl errors clock_skew
  realmctl errors
  realmctl errors --output json")]
pub(crate) struct ErrorsArgs {
    /// The code, as messages and lists show it; all if not given
    code: Option<String>,
}

/// A code; some stand for an error, and for something to wait for besides.
#[derive(Debug, Serialize)]
struct Found {
    #[serde(flatten)]
    first: ErrorCode,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    also: Vec<ErrorCode>,
}

pub(crate) fn run(args: &ErrorsArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    match &args.code {
        Some(code) => {
            let mut rows = error_codes::find_all(code).into_iter();
            let first = rows.next().ok_or_else(|| {
                Failure::refused(format!("there is no error code `{code}`; `realmctl errors` lists them"))
            })?;
            terminal.data(&Found { first, also: rows.collect() }, every_row)?;
        }
        None => terminal.data(&json!({ "items": error_codes::all() }), |_| all(&error_codes::all()))?,
    }
    Ok(Exit::Done)
}

fn every_row(found: &Found) -> String {
    std::iter::once(&found.first).chain(&found.also).map(one).collect::<Vec<_>>().join("\n\n")
}

fn one(code: &ErrorCode) -> String {
    facts([
        ("Code", code.code.clone()),
        ("Where", code.place.clone()),
        ("Meaning", code.meaning.clone()),
        ("What to do", code.next_step.clone()),
    ])
}

fn all(codes: &[ErrorCode]) -> String {
    let columns = [Column::whole("CODE"), Column::new("MEANING"), Column::new("WHAT TO DO")];
    table(&columns, codes.iter().map(|code| [code.code.clone(), code.meaning.clone(), code.next_step.clone()]))
}
