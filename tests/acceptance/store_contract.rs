//! What the rest relies on from the database, the same on both.

use acceptance::Database;
use acceptance::world::fresh_store;
use store::{Store, StoreError, StoreUrl, sql};

on_both_databases!(processes_that_start_together_all_open_a_fresh_store, opened_together);
on_both_databases!(what_is_not_committed_is_gone, rolled_back);
on_both_databases!(the_time_that_comes_with_a_lock_is_read_once_it_is_held, locked_time);
on_both_databases!(a_taken_unique_value_is_told_apart_from_other_errors, duplicates);

async fn opened_together(database: Database) {
    let (url, _folder) = fresh_store(database).await;
    let url: StoreUrl = url.parse().expect("a store URL");
    let opening: Vec<_> = (0..16)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move { Store::open(&url).await.map(drop) })
        })
        .collect();
    for opened in opening {
        opened.await.expect("no panic").expect("each process opens the store");
    }
}

async fn rolled_back(database: Database) {
    let (store, _folder) = open(database).await;
    for commit in [false, true] {
        let mut tx = store.begin().await.expect("begins");
        insert(&mut tx, "a", "a.example").await.expect("inserted");
        if commit {
            tx.commit().await.expect("commits");
        } else {
            drop(tx);
        }
        let mut tx = store.read().await.expect("begins");
        let row = sql("SELECT COUNT(*) AS tenants FROM tenants").fetch_one(&mut tx).await.expect("counts");
        assert_eq!(row.int("tenants").expect("a number"), i64::from(commit));
    }
}

async fn locked_time(database: Database) {
    let (store, _folder) = open(database).await;
    let mut holder = store.begin().await.expect("begins");
    insert(&mut holder, "a", "a.example").await.expect("inserted");
    holder.commit().await.expect("commits");
    let mut holder = store.begin().await.expect("begins");
    let select = || sql("SELECT id FROM tenants WHERE id = $1").bind("a");
    select().for_update().fetch_all(&mut holder).await.expect("locks");
    let waiter = tokio::spawn(async move {
        let mut tx = store.begin().await.expect("begins");
        let (rows, locked_at) = select().fetch_locked(&mut tx).await.expect("locks");
        let nobody = sql("SELECT id FROM tenants WHERE id = $1").bind("b").fetch_locked(&mut tx).await.expect("locks");
        assert!((rows.len(), nobody.0.len()) == (1, 0) && nobody.1 >= locked_at);
        locked_at
    });
    // SQLite's writers wait at their BEGIN, which nobody sees; Postgres says who waits.
    while database == Database::Postgres && !somebody_waits_for(&mut holder).await {
        tokio::task::yield_now().await;
    }
    let released_at = holder.now().await.expect("a time");
    holder.commit().await.expect("commits");
    assert!(waiter.await.expect("no panic") >= released_at);
}

async fn somebody_waits_for(tx: &mut store::Tx) -> bool {
    let waiting = sql("SELECT COUNT(*) AS waiting FROM pg_locks AS wanted JOIN pg_locks AS held \
         ON held.transactionid = wanted.transactionid WHERE NOT wanted.granted AND held.pid = pg_backend_pid()");
    waiting.fetch_one(tx).await.expect("counts").int("waiting").expect("a number") > 0
}

async fn duplicates(database: Database) {
    let (store, _folder) = open(database).await;
    let mut tx = store.begin().await.expect("begins");
    insert(&mut tx, "a", "a.example").await.expect("inserted");
    tx.commit().await.expect("commits");
    for (id, host) in [("a", "b.example"), ("b", "a.example")] {
        let mut tx = store.begin().await.expect("begins");
        let refused = insert(&mut tx, id, host).await.expect_err("taken");
        assert!(matches!(refused, StoreError::Duplicate(_)), "{refused:?}");
    }
    let mut tx = store.begin().await.expect("begins");
    let missing = sql("INSERT INTO tenants (id) VALUES ($1)").bind("c").execute(&mut tx).await.expect_err("no realm");
    assert!(matches!(missing, StoreError::Refused(_)) && !missing.is_retryable(), "{missing:?}");
}

async fn open(database: Database) -> (Store, tempfile::TempDir) {
    let (url, folder) = fresh_store(database).await;
    (Store::open(&url.parse().expect("a store URL")).await.expect("opens"), folder)
}

async fn insert(tx: &mut store::Tx, id: &str, host: &str) -> Result<u64, StoreError> {
    sql("INSERT INTO tenants (id, host, realm, status, epoch, created_at, updated_at, created_in) VALUES ($1, $2, 'us', 'online', 1, 0, 0, 'us')")
        .bind(id)
        .bind(host)
        .execute(tx)
        .await
}
