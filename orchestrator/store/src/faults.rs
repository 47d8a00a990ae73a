//! What stands between a process and its database. In production nothing does; a simulation decides here when a transaction
//! may begin, and lets the database fail at the two places where it matters.

use std::future::Future;
use std::pin::Pin;

/// Kept while a transaction is open, and dropped when it has ended.
pub type Held = Box<dyn Send + Sync>;

/// Resolves when a transaction may begin; to `None` when the database can't be reached.
pub type Admission = Pin<Box<dyn Future<Output = Option<Held>> + Send>>;

/// What becomes of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitFate {
    /// It is made.
    Made,
    /// It never reaches the database, which rolls back.
    NotMade,
    /// It is made, and its reply is lost.
    ReplyLost,
}

/// Stands between a process and its database.
pub trait Faults: Send + Sync + 'static {
    /// Asked before each transaction.
    fn begin(&self) -> Admission;

    /// Asked before each commit.
    fn commit(&self) -> CommitFate;
}
