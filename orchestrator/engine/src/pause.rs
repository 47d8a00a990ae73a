//! Holding back: marks what a pause holds, batch by batch, and keeps marks and pauses in agreement.

use async_trait::async_trait;
use store::{Store, StoreError};

use crate::registry::Sweep;
use crate::step_error::StepError;
use crate::tables::pause_table;
use crate::tables::pause_table::Held;

/// Marks every open workflow that a pause in force holds, of one tenant or of all, and stops whoever works on them. The pause
/// itself must be committed: from then on nothing it holds is claimed, and this finds all that was claimed before.
pub async fn hold(store: &Store, tenant: Option<&str>) -> Result<u64, StoreError> {
    let (mut marked, mut after, mut failures) = (0, String::new(), 0);
    loop {
        let held = match hold_next(store, tenant, &after).await {
            // Somebody who waited for us, as we for them, was let go on: marking again changes nothing that is marked.
            Err(error) if error.is_retryable() && failures < TRIES => {
                failures += 1;
                continue;
            }
            held => held?,
        };
        marked += held.marked;
        match held.last {
            Some(last) => after = last,
            None => return Ok(marked),
        }
    }
}

/// How often marking is tried again.
const TRIES: u32 = 3;

async fn hold_next(store: &Store, tenant: Option<&str>, after: &str) -> Result<Held, StoreError> {
    let mut tx = store.begin().await?;
    let held = pause_table::hold_next(&mut tx, tenant, after).await?;
    tx.commit().await?;
    Ok(held)
}

/// Keeps marks and pauses in agreement, whatever was inserted, or died, at the moment of a pause or resume.
pub struct PauseSweep(Store);

impl PauseSweep {
    /// A sweep of this store.
    pub fn new(store: Store) -> Self {
        Self(store)
    }
}

#[async_trait]
impl Sweep for PauseSweep {
    async fn sweep(&self) -> Result<u64, StepError> {
        let mut look = self.0.read().await?;
        let disagree = pause_table::disagree(&mut look).await?;
        let ended = pause_table::any_ended(&mut look).await?;
        look.rollback().await?;
        if !disagree && !ended {
            return Ok(0);
        }
        let held = hold(&self.0, None).await?;
        let mut tx = self.0.begin().await?;
        let let_go = pause_table::let_go(&mut tx).await?;
        pause_table::forget_ended(&mut tx).await?;
        tx.commit().await?;
        Ok(held + let_go)
    }
}
