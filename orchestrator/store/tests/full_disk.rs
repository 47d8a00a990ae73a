//! A disk that takes nothing more for a while: what fails is told as such, reading goes on, and so does everything once there is room.
//! The operating system refuses to let files grow, which is how a full disk looks to SQLite. That holds for the whole process, so that
//! this is the only test in this file.

use std::path::Path;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use store::{Store, StoreError, StoreUrl, sql};
use tokio::signal::unix::{SignalKind, signal};

/// Sent to a process that writes beyond its limit, and ends it unless it is caught.
const SIGXFSZ: i32 = 25;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_was_full_for_a_while_is_written_to_again() {
    let _caught = signal(SignalKind::from_raw(SIGXFSZ)).expect("the signal can be caught");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("realmctl.db");
    let store = Store::open(&StoreUrl::Sqlite(file.clone())).await.expect("the store opens");
    store.try_to_write().await.expect("there is room");
    let before = written(&store).await;

    let unlimited = getrlimit(Resource::Fsize);
    for _ in 0..3 {
        let limit = size_of_log(&file);
        setrlimit(Resource::Fsize, Rlimit { current: Some(limit), ..unlimited }).expect("the limit is set");
        for id in [10_002, 10_003, 10_004] {
            let error = write(&store, id).await.expect_err("there is no room");
            assert!(matches!(error, StoreError::Unavailable(_)), "{}", error.chain());
            assert!(error.to_string().contains(": its disk "), "{}", error.chain());
            assert_eq!(written(&store).await, before, "reading goes on");
        }
        store.try_to_write().await.expect_err("what is committed needs room");
        setrlimit(Resource::Fsize, unlimited).expect("the limit is lifted");
        store.try_to_write().await.expect("there is room again");
    }
    write(&store, 10_002).await.expect("and for the rest");
    assert_eq!(written(&store).await, [before, vec![10_002]].concat());
}

async fn write(store: &Store, id: i64) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    let new = sql("INSERT INTO write_trials (id, at) VALUES ($1, $2)");
    new.bind(id).bind(0).execute(&mut tx).await?;
    tx.commit().await
}

async fn written(store: &Store) -> Vec<i64> {
    let mut tx = store.read().await.expect("a read begins");
    let rows = sql("SELECT id FROM write_trials ORDER BY id").fetch_all(&mut tx).await.expect("it can be read");
    tx.rollback().await.expect("a read ends");
    rows.iter().map(|row| row.int("id").expect("a number")).collect()
}

/// How large the file is that a commit is appended to.
fn size_of_log(file: &Path) -> u64 {
    let log = format!("{}-wal", file.display());
    std::fs::metadata(log).expect("the database writes ahead").len()
}
