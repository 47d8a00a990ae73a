//! `/v1/removals`.

use catalogue::ledger::{self, ChangedBy, EntryState};
use engine::StoredError;
use engine::tables::workflow_table;
use engine::tables::workflow_table::NewWorkflow;
use reqwest::StatusCode;
use serde_json::json;
use server::api::{AuditView, Outcome, Page, RemovalDetail, Replayed, ReplayedAll};
use store::sql;
use workflows::removal::{Cause, Removal, RemovalStage, RemovalState};

use crate::harness::Api;

/// Stores a failed removal of the tenant's issues, as a move would have left it.
pub(crate) async fn failed_removal(api: &Api, tenant: &str) -> String {
    failed_with(api, tenant, "not_empty").await
}

async fn failed_with(api: &Api, tenant: &str, code: &str) -> String {
    let mut tx = api.deployment.store.begin().await.expect("a transaction");
    let ledger_entries = ledger::of_tenant(&mut tx, tenant).await.expect("entries");
    let ledger_entry =
        ledger_entries.into_iter().find(|ledger_entry| ledger_entry.service == "issue-service").expect("an entry");
    let error = StoredError { code: code.to_owned(), message: "writes go on".to_owned() };
    let state = RemovalState {
        service: ledger_entry.service.clone(),
        location: ledger_entry.location.clone(),
        generation: ledger_entry.generation,
        cause: Cause::Moved { move_id: "the-move".to_owned() },
        verified: None,
        compared: None,
        follows: None,
        unread: false,
        first_is_empty: false,
        accept_late_writes: false,
        late: None,
        accepted: None,
        compared_again: 0,
        left_behind: false,
        begun: false,
        waits_for: None,
        stage: RemovalStage::Failed { error },
    };
    let id = api.deployment.ids.next();
    let new = NewWorkflow {
        id: &id,
        kind: <Removal as engine::Workflow>::KIND,
        subject: tenant,
        start_key: None,
        request: "",
        state: state.stage.name(),
        data: serde_json::to_string(&state).expect("JSON"),
        wake_at: 1,
        priority: engine::Priority::Normal,
    };
    workflow_table::insert(&mut tx, new, 1).await.expect("inserted");
    sql("UPDATE workflows SET wake_at = NULL, finished_at = 2 WHERE id = $1")
        .bind(&id)
        .execute(&mut tx)
        .await
        .expect("ended");
    let key = ledger_entry.location.key();
    let (entry, who) = (api.deployment.ids.next(), "test".to_owned());
    let by = ChangedBy { entry, who, why: String::new(), origin: String::new(), workflow: None };
    let removing =
        ledger::begin_removing(&mut tx, tenant, &ledger_entry.service, &key, EntryState::Live, (&id, by)).await;
    assert_eq!(removing.expect("written"), Some(ledger_entry.generation));
    tx.commit().await.expect("committed");
    id
}

#[tokio::test]
async fn a_failed_removal_is_found_and_replayed() {
    let api = Api::with_tenants(&["acme", "beta"]).await;
    let id = failed_removal(&api, "acme").await;
    let failed: Page<RemovalDetail> = api.get("/v1/removals?state=failed").await.expect(StatusCode::OK).json();
    assert_eq!(failed.items.len(), 1);
    let shown: RemovalDetail = api.get(&format!("/v1/removals/{id}")).await.expect(StatusCode::OK).json();
    let why = shown.explain.as_ref().expect("one removal is shown with what it waits for");
    assert_eq!(why.waits_for.code, "replay");
    assert_eq!(RemovalDetail { explain: None, ..shown.clone() }, failed.items[0]);
    assert_eq!((shown.tenant.as_str(), shown.location.as_str()), ("acme", "us-east-1"));
    assert_eq!(shown.error.expect("why").code, "not_empty");

    let path = format!("/v1/removals/{id}/replay");
    let woken = api.waker.notified();
    let replayed: Replayed = api.post(&path, &json!({ "reason": "fixed" })).await.expect(StatusCode::OK).json();
    tokio::time::timeout(crate::harness::SOON, woken).await.expect("the runner is told");
    assert_eq!((replayed.outcome, replayed.removal.state.as_str()), (Outcome::Replayed, "removing"));
    let raw: serde_json::Value = api.post_text(&path, "").await.expect(StatusCode::OK).json();
    assert_eq!((&raw["outcome"], &raw["id"], &raw["state"]), (&json!("still_running"), &json!(id), &json!("removing")));
    let entries: Page<AuditView> = api.get("/v1/audit?tenant=acme").await.expect(StatusCode::OK).json();
    assert_eq!((entries.items[0].action.as_str(), entries.items[0].why.as_str()), ("removal.replay", "fixed"));
}

#[tokio::test]
async fn late_writes_are_compared_again_and_accepted_by_their_hash() {
    let api = Api::with_tenants(&["acme"]).await;
    let id = failed_with(&api, "acme", "late_writes").await;
    let path = format!("/v1/removals/{id}/replay");
    let flag = json!({ "acceptLateWrites": true });
    api.post(&path, &flag).await.problem(StatusCode::BAD_REQUEST, "invalid_body");
    let accepted = json!({ "acceptLateWrites": "0123456789abcdef", "reason": "looked at it" });
    let replayed: Replayed = api.post(&path, &accepted).await.expect(StatusCode::OK).json();
    assert_eq!((replayed.outcome, replayed.removal.state.as_str()), (Outcome::Replayed, "comparing"));
    assert_eq!(replayed.removal.late_writes, "accepted");
    let none = api.get(&format!("/v1/removals/{id}/late-writes")).await.expect(StatusCode::OK);
    assert_eq!(none.body, "", "nothing has been found yet");
}

#[tokio::test]
async fn a_removal_that_is_done_is_not_run_again() {
    let api = Api::with_tenants(&["acme"]).await;
    let id = failed_removal(&api, "acme").await;
    let mut tx = api.deployment.store.begin().await.expect("a transaction");
    let record = workflow_table::get(&mut tx, &id).await.expect("a row").expect("the removal");
    let state: RemovalState = serde_json::from_str(&record.data).expect("a removal");
    let removed = workflows::amount::Amount { items: 3, objects: 0, bytes: 30 };
    let done = state.at_stage(RemovalStage::Done { removed });
    sql("UPDATE workflows SET state = 'done', data = $2 WHERE id = $1")
        .bind(&id)
        .bind(serde_json::to_string(&done).expect("JSON"))
        .execute(&mut tx)
        .await
        .expect("written");
    tx.commit().await.expect("committed");
    let answer: Replayed =
        api.post(&format!("/v1/removals/{id}/replay"), &json!({})).await.expect(StatusCode::OK).json();
    assert_eq!((answer.outcome, answer.removal.removed), (Outcome::AlreadyDone, Some(removed)));
}

#[tokio::test]
async fn all_failed_removals_are_replayed_at_once() {
    let api = Api::with_tenants(&["acme", "beta", "gamma"]).await;
    let mut ids = Vec::new();
    for tenant in ["acme", "beta", "gamma"] {
        ids.push(failed_removal(&api, tenant).await);
    }
    let one: ReplayedAll =
        api.post("/v1/removals/replay", &json!({ "tenant": "beta" })).await.expect(StatusCode::OK).json();
    assert_eq!((one.replayed, one.refused), (vec![ids[1].clone()], Vec::new()));
    let rest: ReplayedAll = api.post_text("/v1/removals/replay", "").await.expect(StatusCode::OK).json();
    assert_eq!(rest.replayed, [ids[2].clone(), ids[0].clone()]);
    let none = api.post("/v1/removals/replay", &json!({})).await.expect(StatusCode::OK);
    assert_eq!(none.body, r#"{"replayed":[]}"#);
    let answer = api.post("/v1/removals/replay", &json!({ "tenant": "nobody" })).await;
    answer.problem(StatusCode::NOT_FOUND, "unknown_tenant");
}

#[tokio::test]
async fn what_is_no_removal_is_refused() {
    let api = Api::with_tenants(&["acme"]).await;
    let started = api.schedule_move("acme").await;
    for id in ["nothing", &started.id] {
        api.get(&format!("/v1/removals/{id}")).await.problem(StatusCode::NOT_FOUND, "unknown_removal");
        let answer = api.post(&format!("/v1/removals/{id}/replay"), &json!({})).await;
        answer.problem(StatusCode::NOT_FOUND, "unknown_removal");
    }
    api.get("/v1/removals?state=broken").await.problem(StatusCode::BAD_REQUEST, "unknown_state");
    let removal = failed_removal(&api, "acme").await;
    api.get(&format!("/v1/moves/{removal}")).await.problem(StatusCode::NOT_FOUND, "unknown_move");
    api.post(&format!("/v1/moves/{removal}/cancel"), &json!({})).await.problem(StatusCode::NOT_FOUND, "unknown_move");
}
