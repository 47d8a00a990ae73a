//! `/healthz` and `/readyz`, and what a caller sees of a catalogue that is gone.

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use tokio::time::Instant;
use workers::place::Place;
use workers::store_clocks::{ClockOf, Told};

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

#[tokio::test]
async fn a_store_that_has_another_time_is_named_and_does_not_make_the_process_unready() {
    let api = Api::empty().await;
    let place = Place::S3 {
        region: "eu-west-1".to_owned(),
        endpoint: Some("http://127.0.0.1:9".to_owned()),
        bucket: "media".to_owned(),
        prefix: "tenants/acme/".to_owned(),
        bounds: Vec::new(),
    };
    let (now, an_hour_ago) = (Instant::now(), SystemTime::now() - Duration::from_secs(3600));
    let told = Told { sent: now, received: now, date: Some(an_hour_ago), within: Duration::ZERO };
    api.deployment.movers.clocks().told(&ClockOf::place(&place), told);
    let body = api.get("/readyz").await.expect(StatusCode::OK).body;
    let (ok, difference) = body.split_once('\n').expect("it says more than that it is ready");
    assert_eq!(ok, "ok");
    assert!(difference.starts_with("clock_skew: ") && difference.contains("S3 in eu-west-1"), "{difference}");
}
