//! Sessions of people, on both databases: of those who do the same at once one does it.

use std::time::Duration;

use acceptance::Database;
use acceptance::world::fresh_store;
use catalogue::sessions;
use store::{Store, StoreUrl, sql};
use tokio::task::JoinSet;
use workers::{CredentialsFrom, Movers, Settings};
use workflows::Deployment;
use workflows::access::{
    Person, Role, SessionRefusal, SessionTimes, TokenKeys, begin_session, check_session, end_reused,
    is_login_completed, revoke_sessions, rotate_session,
};
use workflows::actor::Actor;
use workflows::timing::Timing;

on_both_databases!(a_login_is_completed_once_and_a_secret_replaced_once_by_many_at_once, at_once);
on_both_databases!(sessions_are_rotated_ended_and_forgotten, a_life);

const MANY: usize = 8;

async fn world(database: Database) -> (Deployment, TokenKeys, tempfile::TempDir) {
    let (url, folder) = fresh_store(database).await;
    let url: StoreUrl = url.parse().expect("a URL");
    let store = Store::open(&url).await.expect("a store");
    let movers = Movers::new(CredentialsFrom::Environment, Settings::default());
    let keys = TokenKeys::parse("a-key-of-this-test").expect("a key");
    (Deployment::new(store, movers, Timing::demo()), keys, folder)
}

fn kim() -> Person {
    Person {
        issuer: "https://login.example".to_owned(),
        subject: "4711".to_owned(),
        name: "kim@example.com".to_owned(),
        role: Role::Oncall,
        member_of: vec!["ops".to_owned()],
        origin: "192.0.2.7".to_owned(),
        user_agent: "a browser".to_owned(),
    }
}

async fn check(
    deployment: &Deployment,
    keys: &TokenKeys,
    text: &str,
) -> Result<sessions::StoredSession, SessionRefusal> {
    let mut tx = deployment.store.read().await.expect("the store");
    let checked = check_session(&mut tx, keys, text, SessionTimes::default()).await.expect("the store");
    tx.rollback().await.expect("the store");
    checked.map(|visitor| visitor.session)
}

async fn at_once(database: Database) {
    let (deployment, keys, _folder) = world(database).await;
    let mut at_work = JoinSet::new();
    for _ in 0..MANY {
        let (deployment, keys) = (deployment.clone(), keys.clone());
        at_work
            .spawn(async move { begin_session(&deployment, &keys, &kim(), "a state", SessionTimes::default()).await });
    }
    let begun: Vec<_> =
        at_work.join_all().await.into_iter().map(|begun| begun.map_err(|refusal| refusal.code())).collect();
    let texts: Vec<&String> = begun.iter().flatten().collect();
    assert_eq!(texts.len(), 1, "{begun:?}");
    assert!(begun.iter().flat_map(|begun| begun.as_ref().err()).all(|code| *code == "login_replayed"), "{begun:?}");
    let session = check(&deployment, &keys, texts[0]).await.expect("it is good");
    let mut at_work = JoinSet::new();
    for _ in 0..MANY {
        let (deployment, keys, session) = (deployment.clone(), keys.clone(), session.clone());
        at_work.spawn(async move { rotate_session(&deployment, &keys, &session).await.expect("the store") });
    }
    assert_eq!(at_work.join_all().await.into_iter().flatten().count(), 1);
}

async fn a_life(database: Database) {
    let (deployment, keys, _folder) = world(database).await;
    let times = SessionTimes::default();
    let first = begin_session(&deployment, &keys, &kim(), "one", times).await.expect("a session");
    let session = check(&deployment, &keys, &first).await.expect("it is good");
    let second = rotate_session(&deployment, &keys, &session).await.expect("the store").expect("a new secret");
    check(&deployment, &keys, &first).await.expect("for a moment");
    check(&deployment, &keys, &second).await.expect("it is good");
    change(&deployment, "UPDATE session_secrets SET replaced_at = replaced_at - 31000").await;
    let Err(SessionRefusal::Reused(session)) = check(&deployment, &keys, &first).await else { panic!("it is refused") };
    end_reused(&deployment, &session, "192.0.2.9".to_owned()).await.expect("the store");
    assert_eq!(check(&deployment, &keys, &second).await, Err(SessionRefusal::Ended));
    // Somebody else ends those of a person, by name.
    let third = begin_session(&deployment, &keys, &kim(), "two", times).await.expect("a session");
    let ended = revoke_sessions(&deployment, "kim@example.com", &Actor::new("ada", "left")).await.expect("ended");
    assert_eq!(ended.len(), 1);
    assert_eq!(check(&deployment, &keys, &third).await, Err(SessionRefusal::Ended));
    // What is over for long is forgotten with the next login, and so are logins.
    change(&deployment, "UPDATE sessions SET expires_at = expires_at - 700000000").await;
    change(&deployment, "UPDATE completed_logins SET at = at - 3700000").await;
    let short = SessionTimes { idle: Duration::from_secs(1), ..times };
    begin_session(&deployment, &keys, &kim(), "three", short).await.expect("a session");
    let mut tx = deployment.store.read().await.expect("the store");
    assert_eq!(sessions::list(&mut tx, Some("4711"), None, 10).await.expect("sessions").len(), 1);
    assert!(!is_login_completed(&mut tx, &keys, "one").await.expect("the store"));
    assert!(is_login_completed(&mut tx, &keys, "three").await.expect("the store"));
    assert_eq!(sql("SELECT hash FROM session_secrets").fetch_all(&mut tx).await.expect("secrets").len(), 0);
    tx.rollback().await.expect("the store");
}

async fn change(deployment: &Deployment, statement: &'static str) {
    let mut tx = deployment.store.begin().await.expect("the store");
    sql(statement).execute(&mut tx).await.expect(statement);
    tx.commit().await.expect("the store");
}
