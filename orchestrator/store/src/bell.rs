//! Announces that work has become due: to this process at once, to the others on Postgres by NOTIFY. Nobody relies on hearing
//! it: whoever waits also looks from time to time.
//!
//! NOTIFY inside each transaction would make all commits queue for one lock of the server. So it is sent after the commit, by
//! one loop, at most every [`INTERVAL`]: any number of commits share one. A process that dies in between is heard by nobody.
//! Source: PostgreSQL documentation, "NOTIFY"; `PreCommit_Notify` in its `src/backend/commands/async.c`.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPool};
use tokio::sync::Notify;
use tracing::{debug, warn};
use uuid::Uuid;

use crate::error::StoreError;
use crate::open::{Pools, Store};

/// The channel. Its payload says which process rang.
const CHANNEL: &str = "realmctl";

/// The shortest time between two announcements of one process to the others.
const INTERVAL: Duration = Duration::from_millis(5);

/// The wait before listening again after the connection was lost for good.
const RECONNECT: Duration = Duration::from_secs(1);

/// Where this process hears and says that work is due.
pub(crate) struct Bell {
    heard: Arc<Notify>,
    to_others: Notify,
    process: String,
}

impl Bell {
    pub(crate) fn new() -> Self {
        Self { heard: Arc::new(Notify::new()), to_others: Notify::new(), process: Uuid::now_v7().to_string() }
    }

    pub(crate) fn ring(&self) {
        self.heard.notify_waiters();
        self.to_others.notify_one();
    }
}

impl Store {
    /// Fires for those who wait when work is announced, by this process or another one.
    pub fn waker(&self) -> Arc<Notify> {
        Arc::clone(&self.bell.heard)
    }

    /// Carries announcements between this process and the others, for as long as it is polled. With SQLite there is nothing to
    /// carry: other processes of the machine find out by looking.
    pub async fn carry_announcements(&self) {
        match &self.pools {
            Pools::Sqlite { .. } => std::future::pending().await,
            Pools::Postgres(pool) => {
                tokio::join!(self.tell_others(pool), self.listen_to_others(pool));
            }
        }
    }

    async fn tell_others(&self, pool: &PgPool) {
        loop {
            self.bell.to_others.notified().await;
            let told = sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(&self.bell.process).execute(pool);
            if let Err(error) = told.await {
                debug!(%error, "other processes could not be told that work is due; they look by themselves");
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    async fn listen_to_others(&self, pool: &PgPool) {
        loop {
            if let Err(error) = self.hear(pool).await {
                warn!(%error, "can't listen for announcements of work; looking for it from time to time");
            }
            tokio::time::sleep(RECONNECT).await;
        }
    }

    /// Listens on a connection of its own until it is lost for good.
    async fn hear(&self, pool: &PgPool) -> Result<(), StoreError> {
        let own = sqlx::pool::PoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None);
        let own: PgPool = own.connect_with((*pool.connect_options()).clone()).await?;
        let mut listener = PgListener::connect_with(&own).await?;
        listener.listen(CHANNEL).await?;
        loop {
            // Just connected, or connected again: something may have been missed.
            self.bell.heard.notify_waiters();
            while let Some(heard) = listener.try_recv().await? {
                if heard.payload() != self.bell.process {
                    self.bell.heard.notify_waiters();
                }
            }
        }
    }
}
