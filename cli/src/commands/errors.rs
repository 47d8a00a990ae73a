//! `realmctl errors`: what error codes mean, and what to do. Needs no server.

use clap::Args;
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

pub(crate) fn run(args: &ErrorsArgs, terminal: &Terminal) -> Result<Exit, Failure> {
    match &args.code {
        Some(code) => {
            let found = error_codes::find(code).ok_or_else(|| {
                Failure::refused(format!("there is no error code `{code}`; `realmctl errors` lists them"))
            })?;
            terminal.data(&found, one)?;
        }
        None => terminal.data(&json!({ "items": error_codes::all() }), |_| all(&error_codes::all()))?,
    }
    Ok(Exit::Done)
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
