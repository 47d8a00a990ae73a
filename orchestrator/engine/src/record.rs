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
    /// When it is due; `None` once finished.
    pub wake_at: Option<Millis>,
    /// Grows with every claim and every intervention.
    pub fence: i64,
    /// 0 low, 1 normal, 2 high: what is claimed first.
    pub priority: i64,
    /// Whether an operator holds it back.
    pub paused: bool,
    /// When it was started.
    pub created_at: Millis,
    /// When it ended.
    pub finished_at: Option<Millis>,
}

/// The stored form of a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredError {
    /// A stable code.
    pub code: String,
    /// Words for a person.
    pub message: String,
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
    /// Grows with every claim.
    pub fence: i64,
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
            error: opt_json(row, "error")?,
            wake_at: row.opt_int("wake_at")?,
            fence: row.int("fence")?,
            priority: row.int("priority")?,
            paused: row.int("paused")? != 0,
            created_at: row.int("created_at")?,
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
            error: opt_json(row, "error")?,
            fence: row.int("fence")?,
        })
    }
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
