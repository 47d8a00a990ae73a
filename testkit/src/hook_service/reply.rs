//! An answer of the service, before it is HTTP.

use serde_json::{Value, json};

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Reply {
    pub(super) fn done(body: Value) -> Self {
        Self { status: 200, body }
    }

    pub(super) fn refused(status: u16, code: &str, reason: &str) -> Self {
        Self { status, body: json!({ "code": code, "reason": reason }) }
    }
}
