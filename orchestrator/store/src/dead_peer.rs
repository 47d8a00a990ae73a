//! A server whose machine has gone without a word, or to which the network leads no more. A connection to it fails only when the kernel
//! stops repeating what was sent, after a quarter of an hour (Linux, `tcp_retries2`), and until then a tenant could be offline.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// A server that is alive ends any statement of ours before: it has 30 seconds for it (`postgres.rs`).
const ANSWER_WITHIN: Duration = Duration::from_secs(35);

/// The same, where it has failed to answer already: nobody waits as long to roll back.
const AGAIN_WITHIN: Duration = Duration::from_secs(1);

/// Which of a process's pools a connection is of, and whether that one is of any more use.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    generation: u64,
    spent: Arc<AtomicU64>,
}

impl Line {
    /// The first pool's.
    pub(crate) fn first() -> Self {
        Self { generation: 1, spent: Arc::default() }
    }

    /// That of the pool which takes the place of this one.
    pub(crate) fn next(&self) -> Self {
        Self { generation: self.generation + 1, spent: Arc::clone(&self.spent) }
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether the pool's connections are of no more use.
    pub(crate) fn is_spent(&self) -> bool {
        self.spent.load(Ordering::SeqCst) >= self.generation
    }
}

/// One conversation with the server: a transaction, from its beginning to its end.
#[derive(Debug)]
pub(crate) struct Conversation {
    line: Line,
    unanswered: AtomicBool,
}

impl Conversation {
    pub(crate) fn on(line: &Line) -> Self {
        Self { line: line.clone(), unanswered: AtomicBool::new(false) }
    }

    /// What the server answers. If nothing comes, what was asked may have been done or not.
    pub(crate) async fn answer<T>(
        &self,
        asked: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        let within = if self.unanswered.load(Ordering::SeqCst) { AGAIN_WITHIN } else { ANSWER_WITHIN };
        tokio::time::timeout(within, asked).await.unwrap_or_else(|_| {
            self.unanswered.store(true, Ordering::SeqCst);
            self.line.spent.fetch_max(self.line.generation, Ordering::SeqCst);
            Err(sqlx::Error::Io(ErrorKind::TimedOut.into()))
        })
    }
}
