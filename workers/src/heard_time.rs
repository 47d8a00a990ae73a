//! The time by which items expire, and with which reads are signed: that of the catalogue's database, as last heard, carried on by this
//! process's monotonic clock. A wrong clock of a host does not matter then, as it does not for writes.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_smithy_async::time::TimeSource;
use tokio::time::Instant;

/// After this long it is heard anew.
const OLD: Duration = Duration::from_secs(60);

/// What time it is.
#[derive(Debug, Default)]
pub(crate) struct HeardTime(Mutex<Option<(SystemTime, Instant)>>);

impl HeardTime {
    /// It was `then` at that moment.
    pub(crate) fn hear(&self, then: SystemTime, at: Instant) {
        *self.0.lock().expect("no holder of this lock panics") = Some((then, at));
    }

    /// Whether it has not been heard for long.
    pub(crate) fn is_old(&self) -> bool {
        self.0.lock().expect("no holder of this lock panics").is_none_or(|(_, heard)| heard.elapsed() > OLD)
    }

    /// What it must be by now. Who was told nothing has no catalogue, and goes by the clock of its host.
    pub(crate) fn now(&self) -> SystemTime {
        let heard = *self.0.lock().expect("no holder of this lock panics");
        heard.map_or_else(SystemTime::now, |(now, heard)| now + heard.elapsed())
    }
}

/// What reads are signed with.
#[derive(Debug, Clone)]
pub(crate) struct SignsReads(pub(crate) Arc<HeardTime>);

impl TimeSource for SignsReads {
    fn now(&self) -> SystemTime {
        self.0.now()
    }
}
