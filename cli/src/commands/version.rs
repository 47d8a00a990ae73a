//! `realmctl version`.

use serde_json::json;

use crate::exit::{Exit, Failure};
use crate::output::Terminal;

pub(crate) fn run(terminal: &Terminal) -> Result<Exit, Failure> {
    let version = env!("CARGO_PKG_VERSION");
    terminal.data(&json!({ "version": version }), |_| format!("realmctl {version}"))?;
    Ok(Exit::Done)
}
