//! `/healthz` and `/readyz`, and what a caller sees of a catalogue that is gone.

use reqwest::StatusCode;

use crate::harness::Api;

#[tokio::test]
async fn a_process_lives_without_its_catalogue_but_is_not_ready() {
    let api = Api::empty().await;
    assert_eq!(api.get("/healthz").await.expect(StatusCode::OK).body, "ok");
    assert_eq!(api.get("/readyz").await.expect(StatusCode::OK).body, "ok");
    api.deployment.store.close().await;
    assert_eq!(api.get("/healthz").await.expect(StatusCode::OK).body, "ok");
    api.get("/readyz").await.problem(StatusCode::SERVICE_UNAVAILABLE, "not_ready");
    let answer = api.get("/v1/tenants").await;
    let problem = answer.problem(StatusCode::SERVICE_UNAVAILABLE, "catalogue_unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    assert!(!problem.detail.contains("pool"), "{}", problem.detail);
}
