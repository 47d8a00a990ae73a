//! Announces that work has become due: to this process at once, to the others on Postgres by NOTIFY. Nobody relies on hearing
//! it: whoever waits also looks from time to time.
//!
//! NOTIFY inside each transaction would make all commits queue for one lock of the server. So it is sent after the commit, by
//! one loop, at most every [`INTERVAL`]: any number of commits share one. A process that dies in between is heard by nobody.
//! Source: PostgreSQL documentation, "NOTIFY"; `PreCommit_Notify` in its `src/backend/commands/async.c`.

use std::sync::Arc;
use std::time::Duration;

use sqlx::Executor;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPool};
use tokio::sync::Notify;
use tracing::{debug, warn};

use crate::error::StoreError;
use crate::open::{Pools, Store};
use crate::postgres::KEEPALIVES;
use crate::sql::sql;

/// The channel. Its payload says which process announced.
const CHANNEL: &str = "realmctl";
const LISTEN: &str = "LISTEN realmctl";

/// The shortest time between two announcements of one process to the others.
const INTERVAL: Duration = Duration::from_millis(5);

/// The wait before listening again after the connection was lost for good.
const RECONNECT: Duration = Duration::from_secs(1);

/// How long nothing is heard before the server is asked for a heartbeat, and how long it has for it.
const QUIET: Duration = Duration::from_secs(30);

impl Store {
    /// Fires for those who wait when work is announced, by this process or another one.
    pub fn waker(&self) -> Arc<Notify> {
        Arc::clone(&self.notifier.heard)
    }

    /// Carries announcements between this process and the others, for as long as it is polled. With SQLite there is nothing to
    /// carry, and behind a pooler that shares sessions nothing can be: other processes find out by looking.
    pub async fn carry_announcements(&self) {
        match &self.pools {
            Pools::Sqlite(_) => std::future::pending().await,
            Pools::Postgres(postgres) => match postgres.session_options() {
                Some(options) => {
                    tokio::join!(self.tell_others(), self.listen_to_others(&options));
                }
                // Whoever listens needs a session of its own.
                None => std::future::pending().await,
            },
        }
    }

    async fn tell_others(&self) {
        loop {
            self.notifier.to_others.notified().await;
            if let Err(error) = self.notify().await {
                debug!(error = error.chain(), "other processes could not be notified of due work; they poll for it");
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    async fn notify(&self) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let notify = sql("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(&self.notifier.process);
        notify.execute(&mut tx).await?;
        tx.commit().await
    }

    async fn listen_to_others(&self, options: &PgConnectOptions) {
        loop {
            if let Err(error) = self.hear(options).await {
                warn!(
                    error = error.chain(),
                    "can't listen for announcements of work; looking for it from time to time"
                );
            }
            tokio::time::sleep(RECONNECT).await;
        }
    }

    /// Listens on a connection of its own until it is lost for good.
    async fn hear(&self, options: &PgConnectOptions) -> Result<(), StoreError> {
        let own = sqlx::pool::PoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None);
        let own = own.after_connect(|connection, _| {
            Box::pin(async move { sqlx::raw_sql(KEEPALIVES).execute(connection).await.map(drop) })
        });
        let own: PgPool = own.connect_with(options.clone()).await?;
        let mut listener = PgListener::connect_with(&own).await?;
        listener.listen(CHANNEL).await?;
        loop {
            // Just connected, or connected again: something may have been missed.
            self.notifier.heard.notify_waiters();
            loop {
                match tokio::time::timeout(QUIET, listener.try_recv()).await {
                    Ok(heard) => match heard? {
                        Some(heard) if heard.payload() != self.notifier.process => self.notifier.heard.notify_waiters(),
                        Some(_) => {}
                        None => break,
                    },
                    // Whoever only listens does not learn that the other side is gone.
                    Err(_) => still_there(&mut listener).await?,
                }
            }
        }
    }
}

/// Asks the server for an answer, whatever it is: to listen twice is to listen once.
async fn still_there(listener: &mut PgListener) -> Result<(), sqlx::Error> {
    let answered = tokio::time::timeout(QUIET, listener.execute(LISTEN)).await;
    answered.unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into())).map(drop)
}
