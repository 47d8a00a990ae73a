//! How long the two databases may keep somebody waiting.

use std::time::Duration;

/// How long a SQLite writer waits for another process's transaction, and anyone for a free connection.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
