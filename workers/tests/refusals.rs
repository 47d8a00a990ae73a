//! What cannot be done is said with a stable code and words that help.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_s3::types::{
    Destination, ReplicationConfiguration, ReplicationRule, ReplicationRuleFilter, ReplicationRuleStatus,
};
use axum::Router;
use axum::http::{StatusCode, Uri};
use common::front::{Front, Rules};
use common::*;
use serde_json::{Value, json};
use testkit::region::{credentials, dynamodb_client, s3_client};
use testkit::{Ports, Region, Storage, fixtures};
use workers::error::{Treatment, WorkError};
use workers::fitness::Needs;
use workers::place::Place;
use workers::{Credentials, CredentialsFrom, HookSecrets, Movers, PartAt};

async fn region() -> Region {
    let region = Region::start("eu-west-1", Storage::Memory, Ports::Any).unwrap();
    fixtures::create_table(&dynamodb_client(&region), "issues", INDEX, INDEX_KEY).await.unwrap();
    fixtures::create_bucket(&s3_client(&region), "media").await.unwrap();
    region
}

async fn refusal(place: &Place) -> WorkError {
    movers().inspect(place, "acme").await.unwrap_err()
}

fn assert_says(error: &WorkError, code: &str, treatment: Treatment, words: &[&str]) {
    assert_eq!((error.code, error.treatment), (code, treatment), "{error:?}");
    for word in words {
        assert!(error.message.contains(word), "{word} is not in: {}", error.message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_tables_indexes_and_buckets() {
    let region = region().await;
    let endpoint = region.dynamodb_endpoint();
    let error = refusal(&table(&region, "isues", 2)).await;
    assert_says(&error, "table_not_found", Treatment::Permanent, &["`isues`", "eu-west-1", endpoint]);

    let with = |index: &str, index_key: &str| Place::Dynamodb {
        region: "eu-west-1".to_owned(),
        endpoint: Some(endpoint.to_owned()),
        table: "issues".to_owned(),
        index: index.to_owned(),
        index_key: index_key.to_owned(),
        shard_count: 1,
    };
    let error = refusal(&with("by-other", INDEX_KEY)).await;
    assert_says(&error, "index_not_found", Treatment::Permanent, &["`by-other`", "`issues`", endpoint]);
    let error = refusal(&with(INDEX, "tenant")).await;
    assert_says(&error, "index_key_mismatch", Treatment::Permanent, &["`tenant_shard`", "`tenant`"]);

    let error = refusal(&bucket(&region, "medea", "acme")).await;
    assert_says(&error, "bucket_not_found", Treatment::Permanent, &["`medea`", "eu-west-1", region.s3_endpoint()]);
    let kept = Kept::all();
    let error = movers().digest(acme_at(&bucket(&region, "medea", "acme")), &kept, None).await.unwrap_err();
    assert_says(&error, "bucket_not_found", Treatment::Permanent, &["`medea`"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn prefixes_that_are_not_the_tenants() {
    let region = region().await;
    for prefix in ["", "/", "acme", "acme-eu/", "x/acme"] {
        let place = Place::S3 {
            region: "eu-west-1".to_owned(),
            endpoint: Some(region.s3_endpoint().to_owned()),
            bucket: "media".to_owned(),
            prefix: prefix.to_owned(),
            bounds: Vec::new(),
        };
        assert_says(&refusal(&place).await, "place_invalid", Treatment::Permanent, &["prefix"]);
    }
    let kept = Kept::all();
    let error =
        movers().digest(PartAt { part: 2, ..acme_at(&table(&region, "issues", 2)) }, &kept, None).await.unwrap_err();
    assert_says(&error, "place_invalid", Treatment::Permanent, &["part 2"]);
}

/// A port that nobody is given by chance, and at which nobody listens.
const NOBODY: &str = "http://127.0.0.1:9";

#[tokio::test(flavor = "multi_thread")]
async fn stores_that_do_not_answer() {
    let error = refusal(&table_at("eu-west-1", NOBODY, "issues", 1)).await;
    assert_says(&error, "endpoint_unreachable", Treatment::Retryable, &["`issues`", NOBODY]);
    let place = Place::S3 {
        region: "eu-west-1".to_owned(),
        endpoint: Some(NOBODY.to_owned()),
        bucket: "media".to_owned(),
        prefix: "acme/".to_owned(),
        bounds: Vec::new(),
    };
    assert_says(&refusal(&place).await, "endpoint_unreachable", Treatment::Retryable, &["`media`", NOBODY]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_takes_connections_and_never_answers() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let settings = workers::Settings { attempt_timeout: Duration::from_millis(50), ..settings() };
    let movers = Movers::new(CredentialsFrom::Fixed(credentials()), settings);
    let error = movers.inspect(&table_at("eu-west-1", &endpoint, "issues", 1), "acme").await.unwrap_err();
    assert_says(&error, "endpoint_unreachable", Treatment::Retryable, &["did not answer in time", &endpoint]);
}

/// What a store's place would be behind this address.
fn places_at(endpoint: &str) -> [Place; 3] {
    let bucket = Place::S3 {
        region: "eu-west-1".to_owned(),
        endpoint: Some(endpoint.to_owned()),
        bucket: "media".to_owned(),
        prefix: "acme/".to_owned(),
        bounds: Vec::new(),
    };
    let hooks = Place::Hooks {
        region: "eu-west-1".to_owned(),
        url: endpoint.to_owned(),
        secret: None,
        longest: Duration::from_secs(1),
    };
    [table_at("eu-west-1", endpoint, "issues", 1), bucket, hooks]
}

/// Longer than anybody needs here who answers, or refuses to.
const LONG: Duration = Duration::from_secs(60);

async fn is_unanswered(endpoint: &str) -> [(&'static str, bool); 3] {
    is_unanswered_within(LONG, endpoint).await
}

async fn is_unanswered_within(attempt_timeout: Duration, endpoint: &str) -> [(&'static str, bool); 3] {
    let settings = workers::Settings {
        attempt_timeout,
        connect_timeout: LONG,
        attempts: 0,
        hook_secrets: HookSecrets::parse("default=0123456789abcdef0123456789abcdef").unwrap(),
        ..settings()
    };
    let movers = Movers::new(CredentialsFrom::Fixed(credentials()), settings);
    let mut found = [("", false); 3];
    for (place, found) in places_at(endpoint).iter().zip(&mut found) {
        let error = movers.inspect(place, "acme").await.unwrap_err();
        *found = (error.code, error.unanswered);
    }
    found
}

/// Answers every request with `answer`, cut off there; `None` closes the connection once it has been asked.
async fn answering(answer: Option<String>) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = [0; 64 << 10];
            let _ = stream.read(&mut asked).await;
            if let Some(answer) = &answer {
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        }
    });
    endpoint
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_left_is_told_from_what_got_no_answer() {
    // It takes the connection, and what it says is no TLS.
    let no_tls = answering(saying("400 Bad Request", "")).await.replace("http:", "https:");
    for (what, endpoint) in
        [("nobody listens", NOBODY), ("no such name", "https://nowhere.invalid"), ("TLS fails", no_tls.as_str())]
    {
        assert_eq!(is_unanswered(endpoint).await, [("endpoint_unreachable", false); 3], "{what}");
    }
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", silent.local_addr().unwrap());
    let found = is_unanswered_within(Duration::from_millis(300), &silent).await;
    assert_eq!(found, [("endpoint_unreachable", true); 3], "no answer");
    assert_eq!(is_unanswered(&answering(None).await).await, [("endpoint_unreachable", true); 3], "cut");
}

fn saying(status: &str, body: &str) -> Option<String> {
    Some(format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_gateway_says_is_told_from_what_the_store_says() {
    for (status, body) in [
        ("504 Gateway Timeout", "<html>"),
        ("502 Bad Gateway", ""),
        ("503 Service Unavailable", "<html>"),
        ("500 Internal Server Error", "no server"),
        ("408 Request Timeout", ""),
        ("421 Misdirected Request", ""),
    ] {
        let found = is_unanswered(&answering(saying(status, body)).await).await;
        assert_eq!(found, [("gateway_error", true); 3], "{status}");
    }
    let half = answering(Some("HTTP/1.1 200 OK\r\ncontent-length: 600\r\n\r\n{".to_owned())).await;
    assert!(is_unanswered(&half).await.iter().all(|(_, unanswered)| *unanswered), "half of one");

    let own = [
        r#"{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"a reason"}"#,
        "<Error><Code>InternalError</Code><Message>a reason</Message></Error>",
        r#"{"code":"busy","reason":"restarting"}"#,
    ];
    for (store, (own, code)) in own.into_iter().zip(["store_error", "store_error", "hook_unavailable"]).enumerate() {
        for status in ["500 Internal Server Error", "503 Service Unavailable"] {
            let found = is_unanswered(&answering(saying(status, own)).await).await;
            assert_eq!(found[store], (code, false), "{status} {own}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_are_not_ready_or_replicate() {
    let region = region().await;
    let front = Front::before(region.dynamodb_endpoint(), Rules::default()).await;
    let place = table_at("eu-west-1", &front.endpoint, "issues", 2);
    let says = |description: Value| front.rules.lock().unwrap().description = Some(description);
    assert_eq!(movers().inspect(&place, "acme").await.unwrap().replicates_to, [""; 0]);

    let replica = |region: &str| json!({ "RegionName": region, "ReplicaStatus": "ACTIVE" });
    says(json!({ "Replicas": [replica("eu-west-1"), replica("us-east-1")] }));
    assert_eq!(movers().inspect(&place, "acme").await.unwrap().replicates_to, ["us-east-1"]);

    says(json!({ "TableStatus": "CREATING" }));
    assert_says(&refusal(&place).await, "table_not_active", Treatment::Retryable, &["CREATING"]);

    let keys = [json!({ "AttributeName": INDEX_KEY, "KeyType": "HASH" })];
    says(json!({ "GlobalSecondaryIndexes": [{ "IndexName": INDEX, "IndexStatus": "CREATING", "KeySchema": keys }] }));
    assert_says(&refusal(&place).await, "index_not_active", Treatment::Retryable, &["`by-tenant`", "CREATING"]);
}

/// Set for the child process of the test below.
const CHILD_ENDPOINT: &str = "WORKERS_TEST_CHILD_ENDPOINT";

/// Variables can't be changed safely in a process with threads, so the test runs itself again in a child with its own.
#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_missing() {
    if let Ok(endpoint) = std::env::var(CHILD_ENDPOINT) {
        let movers = Movers::new(CredentialsFrom::Environment, settings());
        let error = movers.inspect(&table_at("eu-west-1", &endpoint, "issues", 1), "acme").await.unwrap_err();
        let words = ["no AWS credentials were found", "AWS_ACCESS_KEY_ID", "role", "`issues`", &endpoint];
        assert_says(&error, "credentials_missing", Treatment::Unfit, &words);
        let needs = Needs { authorities: false, credentials: Some("eu-west-1".to_owned()) };
        let lacks = movers.lacks(&needs, None).await.unwrap();
        assert!(lacks.starts_with("no AWS credentials were found: set AWS_ACCESS_KEY_ID"), "{lacks}");
        assert_eq!(movers.lacks(&Needs::default(), None).await, None, "none are needed");
        return;
    }
    let region = region().await;
    let home = tempfile::tempdir().unwrap();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
        child.env_remove(name);
    }
    child.env("HOME", home.path()).env("AWS_EC2_METADATA_DISABLED", "true");
    child.env(CHILD_ENDPOINT, region.dynamodb_endpoint());
    let output = child.args(["--exact", "credentials_that_are_missing"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_wrong() {
    let region = region().await;
    let wrong = Credentials::new(credentials().access_key_id(), "not the secret", None, None, "test");
    let movers = Movers::new(CredentialsFrom::Fixed(wrong), settings());
    let error = movers.inspect(&bucket(&region, "media", "acme"), "acme").await.unwrap_err();
    assert_says(&error, "credentials_refused", Treatment::Unfit, &["`media`", region.s3_endpoint()]);
    let kept = Kept::all();
    let error = movers.digest(acme_at(&bucket(&region, "media", "acme")), &kept, None).await.unwrap_err();
    assert_says(&error, "credentials_refused", Treatment::Unfit, &["`media`", region.s3_endpoint()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn replication_of_a_bucket_shows() {
    let region = region().await;
    let client = s3_client(&region);
    let versioning = aws_sdk_s3::types::VersioningConfiguration::builder()
        .status(aws_sdk_s3::types::BucketVersioningStatus::Enabled)
        .build();
    client.put_bucket_versioning().bucket("media").versioning_configuration(versioning).send().await.unwrap();
    let place = bucket(&region, "media", "acme");
    assert_eq!(movers().inspect(&place, "acme").await.unwrap().replicates_to, [""; 0]);
    let rule = |id: &str, prefix: &str, status, to: &str| {
        let to = Destination::builder().bucket(format!("arn:aws:s3:::{to}")).build().unwrap();
        ReplicationRule::builder()
            .id(id)
            .priority(1)
            .status(status)
            .filter(ReplicationRuleFilter::builder().prefix(prefix).build())
            .destination(to)
            .build()
            .unwrap()
    };
    let rules = ReplicationConfiguration::builder()
        .role("arn:aws:iam::1:role/replication")
        .rules(rule("all", "", ReplicationRuleStatus::Enabled, "media-everywhere"))
        .rules(rule("inner", "acme/public/", ReplicationRuleStatus::Enabled, "media-public"))
        .rules(rule("off", "", ReplicationRuleStatus::Disabled, "media-off"))
        .rules(rule("other", "acme-eu/", ReplicationRuleStatus::Enabled, "media-other"))
        .build()
        .unwrap();
    client.put_bucket_replication().bucket("media").replication_configuration(rules).send().await.unwrap();
    let inspection = movers().inspect(&place, "acme").await.unwrap();
    assert_eq!(inspection.replicates_to, ["media-everywhere", "media-public"]);
}

/// What is asked for under an endpoint that has a path.
#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_may_have_a_path() {
    for (base, expected) in
        [("", "/media"), ("/", "/media"), ("/base/v1", "/base/v1/media"), ("/base/v1/", "/base/v1/media")]
    {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let note = {
            let asked = Arc::clone(&asked);
            move |uri: Uri| async move {
                asked.lock().unwrap().push(uri.path().to_owned());
                StatusCode::NOT_FOUND
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}{base}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(note)).await });
        let place = Place::S3 {
            region: "eu-west-1".to_owned(),
            endpoint: Some(url),
            bucket: "media".to_owned(),
            prefix: "acme/".to_owned(),
            bounds: Vec::new(),
        };
        movers().inspect(&place, "acme").await.unwrap_err();
        let asked = asked.lock().unwrap();
        assert!(
            !asked.is_empty() && asked.iter().all(|path| path.trim_end_matches('/') == expected),
            "{base}: {asked:?}"
        );
    }
}
