//! The audit trail is one chain, whoever seals it and whoever writes meanwhile.

use acceptance::Database;
use acceptance::world::fresh_store;
use catalogue::audit::{self, AuditEntry};
use catalogue::audit_chain::{self, Verifier};
use engine::{Ids, RandomIds};
use serde_json::{Value, json};
use store::{Store, StoreUrl};
use tokio::task::JoinSet;

on_both_databases!(many_seal_while_many_write_and_it_is_one_chain, at_once);

const WRITERS: usize = 6;
const ENTRIES: usize = 40;
const SEALERS: usize = 3;

async fn at_once(database: Database) {
    let (url, _folder) = fresh_store(database).await;
    let url: StoreUrl = url.parse().expect("a URL");
    let store = Store::open(&url).await.expect("a store");
    let mut at_work = JoinSet::new();
    for writer in 0..WRITERS {
        at_work.spawn(write(store.clone(), writer));
    }
    for _ in 0..SEALERS {
        at_work.spawn(seal_until_all(store.clone()));
    }
    while let Some(done) = at_work.join_next().await {
        done.expect("nobody panics");
    }
    let mut tx = store.read().await.expect("the store");
    let sealed = audit_chain::list(&mut tx, 0, 10_000).await.expect("entries");
    let head = audit_chain::head(&mut tx).await.expect("a head");
    assert_eq!(audit_chain::unsealed(&mut tx).await.expect("none").entries, 0);
    tx.rollback().await.expect("the store");
    assert_eq!(sealed.len(), WRITERS * ENTRIES);
    let mut verifier = Verifier::new(Vec::new());
    sealed.iter().for_each(|sealed| verifier.push(sealed));
    assert_eq!(verifier.finish(&head).findings, []);
}

async fn write(store: Store, writer: usize) {
    for number in 0..ENTRIES {
        let mut tx = store.begin().await.expect("the store");
        let entry = AuditEntry {
            id: RandomIds.next(),
            at: tx.now().await.expect("the time"),
            who: format!("writer {writer}"),
            origin: "10.0.0.1".to_owned(),
            action: "test".to_owned(),
            tenant: None,
            why: "\u{e9} \"quoted\"".to_owned(),
            before: Value::Null,
            after: json!({ "number": number, "list": [1, 2.5, "x"] }),
        };
        audit::append(&mut tx, &entry).await.expect("written");
        tx.commit().await.expect("committed");
    }
}

async fn seal_until_all(store: Store) {
    loop {
        let mut tx = store.begin().await.expect("the store");
        let (head, _) = audit_chain::seal(&mut tx, 7).await.expect("sealed");
        tx.commit().await.expect("committed");
        if head.seq == i64::try_from(WRITERS * ENTRIES).expect("a small number") {
            return;
        }
        tokio::task::yield_now().await;
    }
}
