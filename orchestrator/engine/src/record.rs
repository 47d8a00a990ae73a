//! What is stored of a workflow and of a task, as read from their rows.

use serde::{Deserialize, Serialize};
use store::{Millis, Row, StoreError};

/// A stored workflow.
#[derive(Debug, Clone)]
pub struct WorkflowRecord {
    /// Its id.
    pub id: String,
    /// Which state machine it is.
    pub kind: String,
    /// The tenant it is about.
    pub subject: String,
    /// Digest of what was asked.
    pub request: String,
    /// The state's name.
    pub state: String,
    /// The whole state as JSON.
    pub data: String,
    /// History rows so far.
    pub steps: i64,
    /// Failed attempts at this state.
    pub attempt: u32,
    /// The last failure of this state.
    pub error: Option<StoredError>,
    /// Since when attempts at this state fail.
    pub failing: Option<Failing>,
    /// When it is due; `None` once finished.
    pub wake_at: Option<Millis>,
    /// Grows with every claim and every external transition.
    pub fence: i64,
    /// Who holds its lease; `None` once that was given back.
    pub owner: Option<String>,
    /// 0 low, 1 normal, 2 high: what is claimed first.
    pub priority: i64,
    /// Its state keeps the tenant offline.
    pub keeps_offline: bool,
    /// Whether an operator holds it back.
    pub paused: bool,
    /// When it was started.
    pub created_at: Millis,
    /// When it was last claimed or written.
    pub updated_at: Millis,
    /// When it ended.
    pub finished_at: Option<Millis>,
}

/// The stored form of a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StoredError {
    /// A stable code.
    pub code: String,
    /// Words for a person.
    pub message: String,
}

/// Since when attempts fail, and when the last one did. Stored beside the failure, in the same column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// When the first of them failed.
    pub since: Millis,
    /// When the last of them failed.
    pub at: Millis,
}

impl Failing {
    /// An attempt has failed `now`; `before` is what was known of those before it.
    pub(crate) fn again(before: Option<Self>, now: Millis) -> Self {
        Self { since: before.map_or(now, |before| before.since), at: now }
    }
}

/// A failed attempt as stored.
#[derive(Serialize)]
pub(crate) struct FailedAttempt<'a> {
    #[serde(flatten)]
    pub(crate) error: &'a StoredError,
    #[serde(flatten)]
    pub(crate) failing: Failing,
}

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskStatus {
    /// Waiting or being worked on.
    Open,
    /// Ended well; its result is stored.
    Done,
    /// Ended for good with an error.
    Failed,
}

impl TaskStatus {
    pub(crate) const OPEN: &'static str = "open";
    pub(crate) const DONE: &'static str = "done";
    pub(crate) const FAILED: &'static str = "failed";

    fn parse(name: &str) -> Result<Self, StoreError> {
        match name {
            Self::OPEN => Ok(Self::Open),
            Self::DONE => Ok(Self::Done),
            Self::FAILED => Ok(Self::Failed),
            other => Err(StoreError::Corrupt(format!("task status {other}"))),
        }
    }
}

/// A stored task: a leased, checkpointed unit of data work.
#[derive(Debug, Clone)]
pub struct TaskRecord {
    /// Its id.
    pub id: String,
    /// The workflow it belongs to.
    pub workflow_id: String,
    /// Which handler runs it.
    pub kind: String,
    /// The location it works on.
    pub target: String,
    /// What to do, as the workflow wrote it.
    pub input: serde_json::Value,
    /// Where it stands.
    pub status: TaskStatus,
    /// Where to resume.
    pub checkpoint: Option<serde_json::Value>,
    /// What has been done so far, for displays.
    pub progress: serde_json::Value,
    /// What it found, once done.
    pub result: Option<serde_json::Value>,
    /// Failed attempts since the last progress.
    pub attempt: u32,
    /// The last failure.
    pub error: Option<StoredError>,
    /// Since when attempts fail without progress in between.
    pub failing: Option<Failing>,
    /// Grows with every claim.
    pub fence: i64,
    /// It is part of what keeps a tenant offline.
    pub keeps_offline: bool,
}

impl TaskRecord {
    /// What it ran into since it last got further, while it is tried again; or why it failed for good. An error that it has left
    /// behind is forgotten.
    pub fn failure(&self) -> Option<&StoredError> {
        self.error.as_ref().filter(|_| self.status != TaskStatus::Done)
    }
}

impl TryFrom<&Row> for WorkflowRecord {
    type Error = StoreError;

    fn try_from(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.text("id")?,
            kind: row.text("kind")?,
            subject: row.text("subject")?,
            request: row.text("request")?,
            state: row.text("state")?,
            data: row.text("data")?,
            steps: row.int("steps")?,
            attempt: count(row, "attempt")?,
            error: shown(row.opt_text("error")?),
            failing: failing(row)?,
            wake_at: row.opt_int("wake_at")?,
            fence: row.int("fence")?,
            owner: row.opt_text("lease_owner")?,
            priority: row.int("priority")?,
            keeps_offline: row.int("keeps_offline")? != 0,
            paused: row.int("paused")? != 0,
            created_at: row.int("created_at")?,
            updated_at: row.int("updated_at")?,
            finished_at: row.opt_int("finished_at")?,
        })
    }
}

impl TryFrom<&Row> for TaskRecord {
    type Error = StoreError;

    fn try_from(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.text("id")?,
            workflow_id: row.text("workflow_id")?,
            kind: row.text("kind")?,
            target: row.text("target")?,
            input: json(row, "input")?,
            status: TaskStatus::parse(&row.text("status")?)?,
            checkpoint: opt_json(row, "checkpoint")?,
            progress: json(row, "progress")?,
            result: opt_json(row, "result")?,
            attempt: count(row, "attempt")?,
            error: shown(row.opt_text("error")?),
            failing: failing(row)?,
            fence: row.int("fence")?,
            keeps_offline: row.int("keeps_offline")? != 0,
        })
    }
}

/// An error is only shown: one that another version wrote must not keep anybody from the rest of the row.
fn shown(error: Option<String>) -> Option<StoredError> {
    let unreadable = |_| StoredError {
        code: "unreadable_error".to_owned(),
        message: "what failed was stored by another version of realmctl".to_owned(),
    };
    error.map(|error| serde_json::from_str(&error).unwrap_or_else(unreadable))
}

/// Nothing once an attempt has got further; nor with what an older version has stored.
fn failing(row: &Row) -> Result<Option<Failing>, StoreError> {
    let Some(text) = row.opt_text("error")?.filter(|_| row.int("attempt").is_ok_and(|attempt| attempt > 0)) else {
        return Ok(None);
    };
    Ok(serde_json::from_str(&text).ok())
}

fn count(row: &Row, column: &str) -> Result<u32, StoreError> {
    u32::try_from(row.int(column)?).map_err(|_| StoreError::Corrupt(format!("column {column} is out of range")))
}

fn json<T: for<'a> Deserialize<'a>>(row: &Row, column: &str) -> Result<T, StoreError> {
    serde_json::from_str(&row.text(column)?).map_err(|error| StoreError::Corrupt(format!("column {column}: {error}")))
}

fn opt_json<T: for<'a> Deserialize<'a>>(row: &Row, column: &str) -> Result<Option<T>, StoreError> {
    row.opt_text(column)?
        .map(|text| serde_json::from_str(&text))
        .transpose()
        .map_err(|error| StoreError::Corrupt(format!("column {column}: {error}")))
}
