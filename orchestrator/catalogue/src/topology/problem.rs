//! One mistake in a topology: where and why.

use std::fmt;

use serde::Serialize;

/// One mistake in a topology file, or one reason why an edit is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Line in the file, from 1; `None` when it is about something that the file does not have.
    pub line: Option<u64>,
    /// The part of the topology, such as `services.issue-service.shards[1]`; empty for the file as a whole.
    pub path: String,
    /// What is wrong, in words for the author of the file.
    pub reason: String,
}

impl Problem {
    /// A problem whose line is not known yet; [`super::Lines::locate`] finds it.
    pub(super) fn new(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { line: None, path: path.into(), reason: reason.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.reason)
    }
}
