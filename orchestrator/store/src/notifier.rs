//! Where work that has become due is announced within this process; `listener` carries it to the others.

use std::sync::Arc;

use tokio::sync::Notify;
use uuid::Uuid;

/// Where this process hears and says that work is due.
pub(crate) struct Notifier {
    pub(crate) heard: Arc<Notify>,
    pub(crate) to_others: Notify,
    pub(crate) process: String,
}

impl Notifier {
    pub(crate) fn new() -> Self {
        Self { heard: Arc::new(Notify::new()), to_others: Notify::new(), process: Uuid::now_v7().to_string() }
    }

    /// A number that hardly any other process has.
    pub(crate) fn number(&self) -> i64 {
        self.process.bytes().fold(0, |sum: i64, byte| sum.wrapping_mul(31).wrapping_add(i64::from(byte))) & i64::MAX
    }

    pub(crate) fn notify(&self) {
        self.heard.notify_waiters();
        self.to_others.notify_one();
    }
}
