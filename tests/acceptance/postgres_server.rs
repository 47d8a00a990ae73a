//! The Postgres server, the database and the role as they come: what is not fit is refused with words, what differs is set for each
//! transaction, and what passes is never the fault of the work.

use std::time::{Duration, Instant};

use store::{Store, StoreError, StoreUrl, Tx, sql};
use testkit::postgres::{FreshDatabase, execute, fresh_database};
use testkit::proxy::Proxy;

/// Longer than it takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Settings that an administrator may have given the database, each of which would break a promise.
const AWKWARD: [&str; 6] = [
    "default_transaction_isolation = 'serializable'",
    "default_transaction_read_only = on",
    "synchronous_commit = off",
    "lock_timeout = 0",
    "statement_timeout = 0",
    "idle_in_transaction_session_timeout = 0",
];

/// What a transaction that writes has to find in force.
const IN_FORCE: [(&str, &str); 6] = [
    ("transaction_isolation", "read committed"),
    ("transaction_read_only", "off"),
    ("synchronous_commit", "on"),
    ("lock_timeout", "5s"),
    ("statement_timeout", "30s"),
    ("idle_in_transaction_session_timeout", "3s"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_default_of_the_database_is_relied_on() {
    let database = fresh().await;
    let name = database.direct.rsplit('/').next().expect("a name");
    let settings = AWKWARD.map(|setting| format!("ALTER DATABASE {name} SET {setting}"));
    run(&database.direct, &settings.join(";")).await;
    let store = open(&database.direct).await.expect("the store opens");
    let mut tx = store.begin().await.expect("begins");
    for (setting, expected) in IN_FORCE {
        let row = sql("SELECT current_setting($1) AS value").bind(setting).fetch_one(&mut tx).await.expect("read");
        assert_eq!(row.text("value").expect("a text"), expected, "{setting}");
    }
    tx.commit().await.expect("commits");
    store.try_to_write().await.expect("it takes writes");
    let mut tx = store.read().await.expect("begins");
    let isolation = sql("SELECT current_setting('transaction_isolation') AS value").fetch_one(&mut tx).await;
    assert_eq!(isolation.expect("read").text("value").expect("a text"), "repeatable read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_fit_is_refused_with_what_to_change() {
    let database = fresh().await;
    let name = database.direct.rsplit('/').next().expect("a name").to_owned();
    let latin = format!("{name}_latin");
    run(&database.direct, &format!("CREATE DATABASE {latin} ENCODING 'LATIN1' TEMPLATE template0")).await;
    refused(&database.direct.replace(&name, &latin), &["LATIN1", "ENCODING 'UTF8'"]).await;

    let role = database.as_role("").await.expect("a role");
    run(&database.direct, &format!("ALTER ROLE {} SET search_path = nowhere", role.name)).await;
    refused(&role.url, &["search_path", &role.name, "ALTER ROLE"]).await;
    run(&database.direct, &format!("ALTER ROLE {} RESET search_path", role.name)).await;
    run(&database.direct, "ALTER SCHEMA public OWNER TO realmctl; REVOKE CREATE ON SCHEMA public FROM PUBLIC").await;
    refused(&role.url, &["GRANT CREATE ON SCHEMA public TO", &role.name]).await;
    // Somebody else's tables.
    open(&database.direct).await.expect("their owner may").close().await;
    run(&database.direct, &format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}", role.name)).await;
    refused(&role.url, &["tenants", "workflows", "GRANT SELECT, INSERT, UPDATE, DELETE"]).await;
    run(&database.direct, &format!("GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {}", role.name))
        .await;
    open(&role.url).await.expect("that is all it needs");

    refused(&database.direct.replace(&name, "missing"), &["no such database"]).await;
    refused(&role.url.replace("secret-", "wrong-"), &["refuses the user or the password"]).await;
    let several = "postgres://one:5432,two:5432/realmctl".parse::<StoreUrl>().expect("a URL of Postgres");
    let error = Store::open(&several).await.err().expect("it is refused");
    assert!(error.to_string().contains("several hosts"), "{error}");
}

/// The role may have fewer connections than the process would use: everything waits its turn for a moment, nothing fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_few_connections_are_enough() {
    let database = fresh().await;
    let role = database.as_role("CONNECTION LIMIT 5").await.expect("a role");
    let store = open(&role.url).await.expect("the store opens");
    all_at_once(&store).await;
    // Fewer than when it was opened, and some of these are another process's.
    run(&database.direct, &format!("ALTER ROLE {} CONNECTION LIMIT 20", role.name)).await;
    let wide = open(&role.url).await.expect("another store opens");
    all_at_once(&wide).await;
    run(&database.direct, &format!("ALTER ROLE {} CONNECTION LIMIT 6", role.name)).await;
    let end_sessions =
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{}'", role.name);
    run(&database.direct, &end_sessions).await;
    all_at_once(&wide).await;
    // What it holds idle would be the other's.
    wide.close().await;
    all_at_once(&store).await;
}

/// Codes that the server gives whatever the statement.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ails_the_server_is_told_and_is_not_the_work_s_fault() {
    let database = fresh().await;
    let store = open(&database.direct).await.expect("the store opens");
    for (code, words) in [
        ("53100", "disk is full"),
        ("53200", "out of memory"),
        ("25006", "not the primary"),
        ("42501", "lacks a right"),
        ("42P05", "pooler"),
        ("XX001", "found damage"),
        ("57014", ""),
    ] {
        run(
            &database.direct,
            &format!(
                "CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'x' USING ERRCODE = '{code}'; END $$; \
                 CREATE OR REPLACE TRIGGER fail BEFORE INSERT ON write_trials FOR EACH ROW EXECUTE FUNCTION fail()"
            ),
        )
        .await;
        let error = store.try_to_write().await.expect_err("the trigger fails");
        assert!(matches!(error, StoreError::Unavailable(_)) && error.to_string().contains(words), "{code}: {error:?}");
    }
    run(&database.direct, "DROP TRIGGER fail ON write_trials").await;
    store.try_to_write().await.expect("it is over");
}

/// A machine that goes without a word: nothing is answered, and no connection ends.
#[tokio::test]
async fn a_server_that_falls_silent_is_given_up_in_time() {
    let database = fresh().await;
    let (cable, url) = behind_a_cable(&database).await;
    let store = Store::open_with_connections(&url, 2).await.expect("the store opens");
    let (mut asking, mut committing) = (store.begin().await.expect("begins"), store.begin().await.expect("begins"));
    let old = [session(&mut asking).await, session(&mut committing).await];

    cable.abandon();
    // From here on time passes whenever everybody waits.
    tokio::time::pause();
    let unanswered = sql("SELECT 1 AS one").fetch_one(&mut asking).await.err().expect("no answer");
    let unknown = committing.commit().await.expect_err("no answer");
    tokio::time::resume();
    for error in [unanswered, unknown] {
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    }

    // The other one is still in use.
    let mut tx = store.begin().await.expect("begins");
    assert!(!old.contains(&session(&mut tx).await), "on a new connection");
    drop(asking);
}

/// Whoever asked has given up long before the server would have: its connection is not kept for anybody.
#[tokio::test]
async fn a_connection_to_a_silent_server_is_not_waited_for_when_it_is_returned() {
    let database = fresh().await;
    let (cable, url) = behind_a_cable(&database).await;
    let store = Store::open_with_connections(&url, 1).await.expect("the store opens");
    let mut tx = store.begin().await.expect("begins");
    cable.abandon();
    let asked = tokio::time::timeout(Duration::from_millis(100), session(&mut tx)).await;
    asked.expect_err("no answer");
    drop(tx);
    let give_up = Instant::now() + PATIENCE;
    while let Err(error) = store.try_to_write().await {
        assert!(matches!(error, StoreError::Unavailable(_)) && Instant::now() < give_up, "{error:?}");
    }
}

async fn behind_a_cable(database: &FreshDatabase) -> (Proxy, StoreUrl) {
    let (before, name) = database.direct.rsplit_once('/').expect("a name");
    let (user, address) = before.rsplit_once('@').expect("an address");
    let cable = Proxy::start(Some(address.parse().expect("an address"))).await.expect("it listens");
    let url = format!("{user}@127.0.0.1:{}/{name}", cable.port()).parse().expect("a URL of Postgres");
    (cable, url)
}

async fn session(tx: &mut Tx) -> i64 {
    sql("SELECT CAST(pg_backend_pid() AS BIGINT) AS pid")
        .fetch_one(tx)
        .await
        .expect("an answer")
        .int("pid")
        .expect("a number")
}

async fn all_at_once(store: &Store) {
    let writing: Vec<_> = (0..20)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                // A session that was ended from outside is found out by its next use.
                while let Err(error) = store.try_to_write().await {
                    assert!(
                        error.chain().contains("terminating connection") || error.chain().contains("closed"),
                        "{}",
                        error.chain()
                    );
                }
            })
        })
        .collect();
    for one in writing {
        one.await.expect("no panic");
    }
}

async fn fresh() -> FreshDatabase {
    fresh_database().await.expect("a fresh database")
}

async fn run(url: &str, statements: &str) {
    execute(url, statements).await.expect("the administrator may");
}

async fn open(url: &str) -> Result<Store, StoreError> {
    Store::open(&url.parse()?).await
}

async fn refused(url: &str, words: &[&str]) {
    let error = open(url).await.err().expect("it is refused");
    let said = error.to_string();
    assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {}", error.chain());
}
