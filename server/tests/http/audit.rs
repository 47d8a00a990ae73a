//! `/v1/audit`.

use reqwest::{Method, StatusCode};
use serde_json::json;
use server::api::{AuditView, Page, USER_HEADER};

use crate::harness::{Answer, Api};

#[tokio::test]
async fn every_change_is_told_newest_first() {
    let api = Api::new().await;
    let body = json!({ "id": "acme", "host": "acme.example.com", "realm": "us", "reason": "signed up" });
    let request = api.request(Method::POST, "/v1/tenants").header(USER_HEADER, "Ada L. <ada@example.com>").json(&body);
    Answer::of(request).await.expect(StatusCode::CREATED);
    let started = api.schedule_move("acme").await;
    api.post(&format!("/v1/moves/{}/cancel", started.id), &json!({})).await.expect(StatusCode::OK);

    let first: Page<AuditView> = api.get("/v1/audit?limit=3").await.expect(StatusCode::OK).json();
    let actions: Vec<_> = first.items.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["move.cancel", "move.start", "tenant.create"]);
    let created = &first.items[2];
    assert_eq!((created.who.as_str(), created.why.as_str()), ("Ada L. <ada@example.com>", "signed up"));
    assert_eq!((created.tenant.as_deref(), &created.after["realm"]), (Some("acme"), &json!("us")));
    assert_eq!(first.items[0].who, "anonymous");

    let cursor = first.next_cursor.expect("there is more");
    let last: Page<AuditView> = api.get(&format!("/v1/audit?cursor={cursor}")).await.expect(StatusCode::OK).json();
    let (oldest, ledger_entries) = last.items.split_last().expect("there is more");
    assert_eq!((oldest.action.as_str(), last.next_cursor.as_deref()), ("topology.apply", None));
    let ledger_entry = |entry: &AuditView| entry.action.starts_with("ledger.") && entry.why == "signed up";
    assert!(
        !ledger_entries.is_empty() && ledger_entries.iter().all(ledger_entry),
        "the ledger's changes: {ledger_entries:?}"
    );
    let of_tenant: Page<AuditView> = api.get("/v1/audit?tenant=acme").await.expect(StatusCode::OK).json();
    assert_eq!(of_tenant.items.len(), 3 + ledger_entries.len());
}
