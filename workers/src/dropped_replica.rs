//! How a replica that is about to be left is held against a copy that stays.

use std::time::Duration;

use crate::error::WorkError;
use crate::heartbeat::Heartbeat;
use crate::mismatch::{Differs, MOST_NAMED};
use crate::progress::Tally;

/// What is asked about a replica that is left.
#[derive(Debug, Clone, Copy)]
pub struct Leaving {
    /// What counts as a difference.
    pub differs: Differs,
    /// How long before the first look: what was written until now is listed by its index then.
    pub first_after: Duration,
    /// How long after a first look at a key that differs there is a second.
    pub again_after: Duration,
    /// What it held when all of it was found to be in the copy that stays: if it holds just that, nothing
    /// else is looked at.
    pub known: Option<Tally>,
}

/// How it is looked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Looks {
    pub(crate) differs: Differs,
    /// How long after a first look at a key there is a second.
    pub(crate) again_after: Duration,
    /// How many keys wait for their second look together.
    pub(crate) at_once: usize,
    /// How many keys are named.
    pub(crate) most: usize,
}

/// So many keys are held in memory, and wait together.
const AT_ONCE: usize = 1_000;

/// The wait is cut into pieces of this length, each with a heartbeat.
const PIECE: Duration = Duration::from_secs(5);

impl Looks {
    pub(crate) fn new(differs: Differs, again_after: Duration) -> Self {
        Self { differs, again_after, at_once: AT_ONCE, most: MOST_NAMED }
    }

    /// Until the second look.
    pub(crate) async fn wait(&self, heartbeat: &Heartbeat<'_>) -> Result<(), WorkError> {
        wait(self.again_after, heartbeat).await
    }
}

/// Waits with heartbeats.
pub(crate) async fn wait(mut left: Duration, heartbeat: &Heartbeat<'_>) -> Result<(), WorkError> {
    while !left.is_zero() {
        let piece = left.min(PIECE);
        tokio::time::sleep(piece).await;
        left -= piece;
        heartbeat.beat().await?;
    }
    Ok(())
}
