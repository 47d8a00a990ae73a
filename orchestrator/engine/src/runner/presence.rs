//! Says, as long as a runner is there to claim work, that it is: with its claims, and with each heartbeat when there is nothing to
//! claim. A runner that stands aside is there as well, with what it lacks, and runs no tasks.

use std::sync::atomic::Ordering;

use store::{Millis, StoreError, Tx};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::runner::Runner;
use crate::tables::runner_table;

impl Runner {
    /// Says it with each heartbeat, until `stop`; then that it is gone.
    pub(crate) async fn run_presence(&self, stop: &CancellationToken) {
        loop {
            self.say_at_once().await;
            if stop.run_until_cancelled(tokio::time::sleep(self.settings.heartbeat)).await.is_none() {
                return self.say_gone().await;
            }
        }
    }

    pub(crate) async fn say_at_once(&self) {
        let said = async {
            let mut tx = self.store.begin().await?;
            let now = tx.now().await?;
            self.say_here(&mut tx, now).await?;
            tx.commit().await
        };
        let said: Result<(), StoreError> = said.await;
        let cause = said.err().map(|error| error.chain());
        self.outages.note("this process could not send its heartbeat", cause.as_deref());
    }

    /// In the transaction of a claim, unless it was said a moment ago. Its last statement.
    pub(crate) async fn say_here_if_due(&self, tx: &mut Tx, now: Millis) -> Result<(), StoreError> {
        let since = now.saturating_sub(self.said_here.load(Ordering::SeqCst));
        if (0..millis(self.settings.heartbeat)).contains(&since) { Ok(()) } else { self.say_here(tx, now).await }
    }

    async fn say_here(&self, tx: &mut Tx, now: Millis) -> Result<(), StoreError> {
        // Work that ends after that may still find out something about this process.
        if self.gone.load(Ordering::SeqCst) {
            return Ok(());
        }
        let runs_tasks = self.settings.tasks_at_once > 0 && self.standing.takes_part();
        let kinds = if runs_tasks { self.registry.task_kinds() } else { Vec::new() };
        let lacks = self.standing.lacks();
        runner_table::say(tx, &self.owner, (&kinds, lacks.as_deref()), now + self.settings.lease_ms()).await?;
        self.said_here.store(now, Ordering::SeqCst);
        Ok(())
    }

    pub(crate) async fn say_gone(&self) {
        self.gone.store(true, Ordering::SeqCst);
        let said = async {
            let mut tx = self.store.begin().await?;
            runner_table::forget(&mut tx, &self.owner).await?;
            tx.commit().await
        };
        let said: Result<(), StoreError> = said.await;
        if let Err(error) = said {
            debug!(error = error.chain(), "it could not be said that this process is gone; it will be found out");
        }
    }
}

fn millis(duration: std::time::Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}
