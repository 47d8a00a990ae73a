//! A Postgres catalogue: its connections, and beginning transactions on them.
//!
//! Nothing relies on what a session, a role, a database or a pooler in between has set: whatever a transaction needs it sets for itself
//! alone, with its BEGIN.

use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use sqlx::pool::PoolOptions;
use sqlx::postgres::{PgConnectOptions, PgPool};
use sqlx::{ConnectOptions, Connection, PgConnection, SqlSafeStr};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::dead_peer::{Conversation, Line};
use crate::error::{StoreError, is_too_many_connections, needs_new_connections};
use crate::timeouts::BUSY_TIMEOUT;
use crate::{migrate, pooler, server_checks};

/// A transaction, and whether its statements may keep their names.
pub(crate) struct PostgresTx {
    pub(crate) tx: sqlx::Transaction<'static, sqlx::Postgres>,
    pub(crate) named: bool,
    pub(crate) with_server: Conversation,
    _in_use: InUse,
}

/// Counts a transaction of a pool for as long as it is open.
struct InUse(Arc<AtomicUsize>);

impl InUse {
    fn one_more(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What every transaction sets. A machine that dies or is paused inside one must not keep its row locks: the server ends the
/// transaction, and nobody waits for a lock for longer than that. (No transaction of ours is open during outside I/O: one that has been
/// idle for seconds belongs to a process that stands still.) Milliseconds. Source: PostgreSQL documentation, "Client Connection
/// Defaults".
macro_rules! begin {
    ($mode:literal) => {
        concat!(
            "BEGIN ISOLATION LEVEL ",
            $mode,
            "; SET LOCAL idle_in_transaction_session_timeout = 3000; SET LOCAL lock_timeout = 5000",
            "; SET LOCAL statement_timeout = 30000"
        )
    };
}

/// Begins a transaction that may write. It is durable on the disk of the server, and on that of its synchronous standby, whatever is
/// the default.
const BEGIN_TO_WRITE: &str = concat!(begin!("READ COMMITTED READ WRITE"), "; SET LOCAL synchronous_commit = on");

/// Begins a transaction that reads one snapshot.
const BEGIN_TO_READ: &str = begin!("REPEATABLE READ READ ONLY");

/// How long to wait for a connection before looking why there is none.
const LOOK_AFTER: Duration = Duration::from_secs(2);

/// How long a process that starts waits for a server that starts, too.
const START_PATIENCE: Duration = Duration::from_secs(30);

/// The wait between two tries of that.
const START_AGAIN: Duration = Duration::from_millis(200);

/// How long a connection may be idle before others may have it.
const IDLE: Duration = Duration::from_secs(60);

/// How long a connection is kept. Those of a pool take turns, so that none is idle for long where one would do.
const LIFE: Duration = Duration::from_secs(5 * 60);

/// How long the server may take to show that a connection is as it was, when its transaction is over.
const RETURNS_WITHIN: Duration = Duration::from_secs(5);

/// The shortest life of a pool that turns out to be of no use.
const RENEW_AFTER: Duration = Duration::from_secs(5);

/// How long to do with the connections that there were before asking for more again.
const GROW_AFTER: Duration = Duration::from_secs(60);

/// The server, and this process's connections to it.
pub(crate) struct Postgres {
    options: PgConnectOptions,
    /// How many connections this process may have.
    most: u32,
    current: RwLock<Current>,
    changing: Mutex<()>,
    looking: Mutex<()>,
    /// Whether a connection is one session of the server for as long as it lasts.
    sessions: bool,
}

#[derive(Clone)]
struct Current {
    pool: PgPool,
    line: Line,
    in_use: Arc<AtomicUsize>,
    since: Instant,
}

impl Current {
    fn new(pool: PgPool, line: Line) -> Self {
        Self { pool, line, in_use: Arc::default(), since: Instant::now() }
    }

    fn most(&self) -> u32 {
        self.pool.options().get_max_connections()
    }

    /// The connections that there are, without those that sqlx is still trying to make.
    fn made(&self) -> u32 {
        u32::try_from(self.in_use.load(Ordering::SeqCst) + self.pool.num_idle()).unwrap_or(u32::MAX)
    }

    fn is_small_for_long(&self, most: u32) -> bool {
        self.most() < most && self.since.elapsed() >= GROW_AFTER
    }
}

impl Postgres {
    /// Looks at the server, brings the schema up to date, and opens a pool of up to this many connections.
    pub(crate) async fn open(url: &str, most: u32) -> Result<Self, StoreError> {
        let options = options(url)?;
        let mut first = connect_patiently(&options).await?;
        let server = server_checks::check(&mut first).await?;
        if server.may_create {
            migrate::run_on_postgres(&mut first).await?;
        } else {
            migrate::is_up_to_date(&mut first).await?;
        }
        server_checks::check_tables(&mut first).await?;
        let other = connect_patiently(&options).await?;
        let sessions = tokio::time::timeout(BUSY_TIMEOUT, pooler::keeps_sessions(first, other)).await;
        let sessions = sessions.unwrap_or_else(|_| Err(silent()))?;
        if !sessions {
            info!(
                "a pooler gives each transaction another session of the server: statements are prepared in each transaction, and work announced by other processes is found by polling"
            );
        }
        let most = server.room_for(most);
        let pool = pool_of(most, &options, sessions);
        let current = Current::new(pool, Line::first());
        Ok(Self {
            options,
            most,
            current: RwLock::new(current),
            changing: Mutex::default(),
            looking: Mutex::default(),
            sessions,
        })
    }

    /// Opens the database to look at it.
    pub(crate) async fn open_to_look(url: &str) -> Result<Self, StoreError> {
        let options = options(url)?;
        options.connect().await?.close().await?;
        let current = Current::new(pool_of(1, &options, false), Line::first());
        let (changing, looking) = (Mutex::default(), Mutex::default());
        Ok(Self { options, most: 1, current: RwLock::new(current), changing, looking, sessions: false })
    }

    pub(crate) async fn begin(&self) -> Result<PostgresTx, StoreError> {
        self.begin_with(BEGIN_TO_WRITE).await
    }

    pub(crate) async fn read(&self) -> Result<PostgresTx, StoreError> {
        self.begin_with(BEGIN_TO_READ).await
    }

    /// How to make a connection beside the pool, if connections are sessions.
    pub(crate) fn session_options(&self) -> Option<PgConnectOptions> {
        self.sessions.then(|| self.options.clone())
    }

    pub(crate) async fn close(&self) {
        // A connection whose server has fallen silent is not waited for.
        let _ = tokio::time::timeout(RETURNS_WITHIN, self.current().pool.close()).await;
    }

    fn current(&self) -> Current {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn begin_with(&self, statement: &'static str) -> Result<PostgresTx, StoreError> {
        let give_up = Instant::now() + BUSY_TIMEOUT;
        loop {
            let mut current = self.current();
            if current.line.is_spent() {
                let why = "no answer from the server, whose machine may be gone: reconnecting";
                Box::pin(self.change(&current, current.most(), why)).await;
                current = self.current();
            }
            if current.is_small_for_long(self.most) {
                // Boxed, as is all that is rare: every future that begins a transaction contains this one.
                Box::pin(self.grow(&current)).await;
            }
            let cause = match begin_to_the_end(&current, statement, self.sessions).await {
                Ok(tx) => return Ok(tx),
                Err(sqlx::Error::PoolTimedOut) => Box::pin(self.why_none(&current)).await?,
                // Another pool has taken its place, or the process ends.
                Err(sqlx::Error::PoolClosed) if self.current().line.generation() != current.line.generation() => {
                    continue;
                }
                Err(error) if needs_new_connections(&error) => {
                    // Not again at once: the caller tries again, and waits longer each time.
                    if current.since.elapsed() >= RENEW_AFTER {
                        let why = "no transaction can be started on this process's connections: reconnecting";
                        Box::pin(self.change(&current, current.most(), why)).await;
                    }
                    return Err(error.into());
                }
                Err(error) => return Err(error.into()),
            };
            if Instant::now() >= give_up {
                return Err(cause);
            }
        }
    }

    /// Why there was no connection for [`LOOK_AFTER`]: sqlx tries by itself until then, and does not say. `Ok` if it is worth waiting on:
    /// there is one, but others have it.
    async fn why_none(&self, current: &Current) -> Result<StoreError, StoreError> {
        if current.made() >= current.most() {
            return Ok(sqlx::Error::PoolTimedOut.into());
        }
        // One after the other: a server that is in trouble is not to get one more connection from each who waits.
        let Ok(_alone) = tokio::time::timeout(LOOK_AFTER, self.looking.lock()).await else {
            return Ok(sqlx::Error::PoolTimedOut.into());
        };
        if self.current().line.generation() != current.line.generation() || current.made() >= current.most() {
            return Ok(sqlx::Error::PoolTimedOut.into());
        }
        match tokio::time::timeout(LOOK_AFTER, self.options.connect()).await {
            Ok(Ok(connection)) => {
                drop(connection.close().await);
                Ok(sqlx::Error::PoolTimedOut.into())
            }
            Ok(Err(error)) if is_too_many_connections(&error) => {
                let why = "the server gives this process no more connections: it makes do with those that it has";
                self.change(current, current.made().max(current.most() / 2), why).await;
                Ok(error.into())
            }
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(silent()),
        }
    }

    /// Tries whether there is room for more, a while after there was none.
    async fn grow(&self, current: &Current) {
        let Ok(_alone) = self.looking.try_lock() else { return };
        if let Ok(Ok(more)) = tokio::time::timeout(LOOK_AFTER, self.options.connect()).await {
            drop(more.close().await);
            self.change(current, current.most() * 2, "the server has room for more connections").await;
        } else {
            self.current.write().unwrap_or_else(PoisonError::into_inner).since = Instant::now();
        }
    }

    /// Puts another pool in the place of this one, unless somebody has done so.
    async fn change(&self, old: &Current, size: u32, why: &'static str) {
        let _alone = self.changing.lock().await;
        let size = size.clamp(1, self.most);
        if self.current().line.generation() != old.line.generation() {
            return;
        }
        info!(connections = size, of = self.most, "{why}");
        let new = Current::new(pool_of(size, &self.options, self.sessions), old.line.next());
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = new;
        let old = old.pool.clone();
        tokio::spawn(async move {
            // The idle ones make room at once; transactions that are open go on to their end.
            while let Some(idle) = old.try_acquire() {
                drop(idle.close().await);
            }
            old.close().await;
        });
    }
}

fn pool_of(size: u32, options: &PgConnectOptions, sessions: bool) -> PgPool {
    let pool =
        PoolOptions::new().max_connections(size).acquire_timeout(LOOK_AFTER).idle_timeout(IDLE).max_lifetime(LIFE);
    let pool = pool.after_connect(move |connection, _| {
        Box::pin(async move {
            if sessions {
                sqlx::raw_sql(KEEPALIVES).execute(connection).await?;
            }
            Ok(())
        })
    });
    // sqlx asks for a heartbeat itself when a connection is returned, and would wait for it as long as it takes.
    let pool = pool.after_release(|connection: &mut PgConnection, _| {
        Box::pin(async move {
            match tokio::time::timeout(RETURNS_WITHIN, connection.ping()).await {
                Ok(answer) => answer.map(|()| true),
                Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
            }
        })
    });
    pool.connect_lazy_with(options.clone())
}

/// The server ends sessions of machines that have gone without a word, so that their places are free for others. Seconds. (Behind a
/// pooler that shares sessions they are the pooler's.)
pub(crate) const KEEPALIVES: &str =
    "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3";

/// Begins a transaction in a task of its own, so that a caller who gives up does not interrupt it: sqlx would return the
/// connection to the pool with the transaction open, and whoever gets it next would find itself inside that one.
async fn begin_to_the_end(on: &Current, statement: &'static str, named: bool) -> Result<PostgresTx, sqlx::Error> {
    let on = on.clone();
    let begun = tokio::spawn(async move {
        let connection = on.pool.acquire().await?;
        let _in_use = InUse::one_more(&on.in_use);
        let with_server = Conversation::on(&on.line);
        let begin = sqlx::Transaction::begin(connection, Some(statement.into_sql_str()));
        let tx = with_server.answer(begin).await?;
        Ok(PostgresTx { tx, named, with_server, _in_use })
    })
    .await;
    // Only a runtime that is being shut down ends such a task early.
    begun.unwrap_or(Err(sqlx::Error::WorkerCrashed))
}

/// sqlx's own message can repeat the URL, and with it the password.
fn options(url: &str) -> Result<PgConnectOptions, StoreError> {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest).split(['/', '?']).next().unwrap_or_default();
    if authority.rsplit('@').next().is_some_and(|hosts| hosts.contains(',')) {
        let several =
            "a postgres:// URL with several hosts is not supported: name one address that leads to the primary";
        return Err(StoreError::BadUrl(several.to_owned()));
    }
    let options = PgConnectOptions::from_str(url);
    let options = options.map_err(|_| StoreError::BadUrl("the postgres:// URL can't be parsed".into()))?;
    // PgBouncer refuses connections that ask for the latter, and no number of ours is a fraction.
    Ok(options.application_name("realmctl").extra_float_digits(None))
}

/// Host, port and database of a URL that can be parsed.
pub(crate) fn place(url: &str) -> String {
    match options(url) {
        Ok(options) => {
            let database = options.get_database().map(|name| format!("/{name}")).unwrap_or_default();
            format!("postgres at {}:{}{database}", options.get_host(), options.get_port())
        }
        Err(_) => "postgres".to_owned(),
    }
}

/// No answer came.
fn silent() -> StoreError {
    sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()).into()
}

/// A connection to a server that may be starting.
async fn connect_patiently(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    let give_up = Instant::now() + START_PATIENCE;
    let mut told = false;
    loop {
        let connecting = async { options.connect().await.map_err(StoreError::from) };
        let connected = tokio::time::timeout(START_PATIENCE, connecting).await;
        match connected.unwrap_or_else(|_| Err(silent())) {
            Err(error) if error.is_starting() && Instant::now() < give_up => {
                if !std::mem::replace(&mut told, true) {
                    let (error, patience_s) = (error.chain(), START_PATIENCE.as_secs());
                    warn!(error, patience_s, "the database can't be reached; it may be starting, and is tried again");
                }
                tokio::time::sleep(START_AGAIN).await;
            }
            connected => return connected,
        }
    }
}
