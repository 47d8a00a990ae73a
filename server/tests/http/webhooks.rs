//! `/v1/webhooks`.

use catalogue::webhook_deliveries::{self, Attempt, Delivery, FAILED, PENDING};
use catalogue::webhooks;
use reqwest::StatusCode;
use serde_json::json;
use server::api::{AuditView, DeliveryView, Page, ReplayedDelivery, WebhooksView};

use crate::harness::Api;

/// A webhook with a delivery that was given up.
async fn given_up(api: &Api) -> String {
    let id = api.deployment.ids.next();
    let mut tx = api.deployment.store.begin().await.expect("a transaction");
    webhooks::see(&mut tx, "billing", "https://billing.example/in", "[]").await.expect("seen");
    let delivery = Delivery {
        id: id.clone(),
        webhook: "billing".to_owned(),
        seq: 1,
        part: 0,
        event: "move.failed".to_owned(),
        tenant: Some("acme".to_owned()),
        body: "{}".to_owned(),
        state: PENDING.to_owned(),
        attempts: 0,
        created_at: 0,
        next_at: 0,
        give_up_at: 0,
        http_status: None,
        error: None,
        finished_at: None,
    };
    webhook_deliveries::insert(&mut tx, &[delivery]).await.expect("inserted");
    let gone = Some("webhook_gone".to_owned());
    let attempt = Attempt { state: FAILED, next_at: None, http_status: Some(410), error: gone };
    webhook_deliveries::record(&mut tx, &id, &attempt).await.expect("recorded");
    tx.commit().await.expect("committed");
    id
}

#[tokio::test]
async fn webhooks_are_listed_and_what_was_given_up_is_sent_again() {
    let api = Api::new().await;
    let none: WebhooksView = api.get("/v1/webhooks").await.expect(StatusCode::OK).json();
    assert_eq!(none.items, []);
    let id = given_up(&api).await;
    let all: WebhooksView = api.get("/v1/webhooks").await.expect(StatusCode::OK).json();
    let webhook = &all.items[0];
    assert_eq!((webhook.name.as_str(), webhook.failed, webhook.pending), ("billing", 1, 0));
    assert_eq!(webhook.last_error.as_deref(), Some("webhook_gone"));

    let path = "/v1/webhooks/deliveries?webhook=billing&state=failed";
    let failed: Page<DeliveryView> = api.get(path).await.expect(StatusCode::OK).json();
    assert_eq!((failed.items[0].id.as_str(), failed.items[0].http_status), (id.as_str(), Some(410)));
    let path = "/v1/webhooks/deliveries?webhook=other";
    let others: Page<DeliveryView> = api.get(path).await.expect(StatusCode::OK).json();
    assert_eq!(others.items, []);
    api.get("/v1/webhooks/deliveries?state=lost").await.problem(StatusCode::BAD_REQUEST, "unknown_state");

    let replay = format!("/v1/webhooks/deliveries/{id}/replay");
    let body = json!({ "reason": "repaired" });
    let replayed: ReplayedDelivery = api.post(&replay, &body).await.expect(StatusCode::OK).json();
    assert_eq!((replayed.replayed, replayed.delivery.state.as_str(), replayed.delivery.attempts), (true, "pending", 0));
    let again: ReplayedDelivery = api.post(&replay, &body).await.expect(StatusCode::OK).json();
    assert!(!again.replayed, "it waits already");
    let audit: Page<AuditView> = api.get("/v1/audit?limit=1").await.expect(StatusCode::OK).json();
    assert_eq!((audit.items[0].action.as_str(), audit.items[0].why.as_str()), ("webhook.replay", "repaired"));
    api.post("/v1/webhooks/deliveries/nothing/replay", &body).await.problem(StatusCode::NOT_FOUND, "unknown_delivery");
}
