//! `ETag` and `If-Match`: nobody overwrites what somebody else has changed since.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use server::api::TopologyView;

use crate::harness::{Answer, Api, TOPOLOGY};

async fn apply(api: &Api, yaml: &str, tag: &str) -> Answer {
    let request = api.request(Method::PUT, "/v1/topology").header("content-type", "application/yaml");
    Answer::of(request.header("if-match", tag).body(yaml.to_owned())).await
}

#[tokio::test]
async fn a_topology_that_changed_since_is_not_replaced() {
    let api = Api::new().await;
    let (seen, tag) = seen(&api, "/v1/topology").await;
    let edited = TOPOLOGY.replacen("realms:", "realms:\n  apac: { dataRegions: [us-east-1] }", 1);
    apply(&api, &edited, "\"1-0000000000000000\"")
        .await
        .problem(StatusCode::PRECONDITION_FAILED, "precondition_failed");
    apply(&api, &edited, "none").await.problem(StatusCode::BAD_REQUEST, "invalid_if_match");
    apply(&api, &edited, &format!("W/{tag}")).await.problem(StatusCode::BAD_REQUEST, "invalid_if_match");
    assert_eq!(seen_version(&api).await, seen["version"]);
    apply(&api, &edited, &format!("\"x\", {tag}")).await.expect(StatusCode::OK);
    // The first edit is in force by now: the same tag is of another topology.
    let problem = apply(&api, TOPOLOGY, &tag).await.problem(StatusCode::PRECONDITION_FAILED, "precondition_failed");
    assert!(problem.detail.starts_with("the topology changed since you looked: 2-"), "{}", problem.detail);
    let rename = json!({ "region": "us-east-1", "kind": "s3", "address": "http://127.0.0.1:9" });
    let renamed = api.request(Method::POST, "/v1/topology/rename-endpoint").header("if-match", &tag).json(&rename);
    Answer::of(renamed).await.problem(StatusCode::PRECONDITION_FAILED, "precondition_failed");
    apply(&api, TOPOLOGY, "*").await.expect(StatusCode::OK);
}

#[tokio::test]
async fn whoever_has_the_topology_is_not_sent_it_again() {
    let api = Api::new().await;
    let (_, tag) = seen(&api, "/v1/topology").await;
    let get = |tag: String| Answer::of(api.request(Method::GET, "/v1/topology").header("if-none-match", tag));
    let known = get(tag.clone()).await.expect(StatusCode::NOT_MODIFIED);
    assert_eq!((known.body.as_str(), known.header("etag")), ("", tag.as_str()));
    get("\"other\"".to_owned()).await.expect(StatusCode::OK);
    get("nonsense".to_owned()).await.expect(StatusCode::OK);
}

#[tokio::test]
async fn limits_that_changed_since_are_not_replaced() {
    let api = Api::new().await;
    let (_, none) = seen(&api, "/v1/limits").await;
    let change = async |method: Method, tag: &str, body: Value| {
        Answer::of(api.request(method, "/v1/limits").header("if-match", tag).json(&body)).await
    };
    change(Method::PUT, &none, json!({ "scope": "overall", "slots": 4 })).await.expect(StatusCode::OK);
    for method in [Method::PUT, Method::DELETE] {
        let body = if method == Method::PUT {
            json!({ "scope": "overall", "slots": 9 })
        } else {
            json!({ "scope": "overall" })
        };
        change(method, &none, body).await.problem(StatusCode::PRECONDITION_FAILED, "precondition_failed");
    }
    let (limits, tag) = seen(&api, "/v1/limits").await;
    assert_eq!(limits["items"][0]["slots"], json!(4));
    change(Method::DELETE, &tag, json!({ "scope": "overall" })).await.expect(StatusCode::OK);
    let (_, tag) = seen(&api, "/v1/limits").await;
    assert_eq!(tag, none, "the same limits have the same tag");
}

async fn seen(api: &Api, path: &str) -> (Value, String) {
    let answer = api.get(path).await.expect(StatusCode::OK);
    (answer.json(), answer.header("etag").to_owned())
}

async fn seen_version(api: &Api) -> Value {
    let view: TopologyView = api.get("/v1/topology").await.expect(StatusCode::OK).json();
    json!(view.version)
}
