//! `/v1/topology`.

use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use serde_json::json;
use server::api::{AuditView, Page, TopologyApplied, TopologyView, USER_HEADER};

use crate::harness::{Answer, Api, TOPOLOGY};

#[tokio::test]
async fn a_topology_is_checked_applied_once_and_shown() {
    let api = Api::empty().await;
    api.get("/v1/topology").await.problem(StatusCode::NOT_FOUND, "no_topology");

    let checked: TopologyApplied = api.put_topology(TOPOLOGY, "?check=true").await.expect(StatusCode::OK).json();
    assert_eq!((checked.version, checked.changed), (None, false));
    api.get("/v1/topology").await.problem(StatusCode::NOT_FOUND, "no_topology");

    let request = api.request(reqwest::Method::PUT, "/v1/topology?reason=first%20one");
    let request = request.header(CONTENT_TYPE, "text/yaml; charset=utf-8").header(USER_HEADER, "ada");
    let applied: TopologyApplied = Answer::of(request.body(TOPOLOGY)).await.expect(StatusCode::OK).json();
    assert_eq!((applied.version, applied.changed), (Some(1), true));
    assert_eq!(applied.hash, checked.hash);

    let again: TopologyApplied = api.put_topology(TOPOLOGY, "").await.expect(StatusCode::OK).json();
    assert_eq!((again.version, again.changed), (Some(1), false));

    let shown: TopologyView = api.get("/v1/topology").await.expect(StatusCode::OK).json();
    assert_eq!((shown.version, &shown.hash, shown.applied_by.as_str()), (1, &applied.hash, "ada"));
    assert_eq!(shown.topology, applied.topology);
    let entries: Page<AuditView> = api.get("/v1/audit").await.expect(StatusCode::OK).json();
    assert_eq!((entries.items.len(), entries.items[0].why.as_str()), (1, "first one"));
}

#[tokio::test]
async fn the_shown_topology_is_json_that_can_be_applied_again() {
    let api = Api::new().await;
    let shown: TopologyView = api.get("/v1/topology").await.expect(StatusCode::OK).json();
    let request = api.request(reqwest::Method::PUT, "/v1/topology").json(&shown.topology);
    let again: TopologyApplied = Answer::of(request).await.expect(StatusCode::OK).json();
    assert!(!again.changed);
}

#[tokio::test]
async fn every_mistake_is_listed_with_its_line() {
    let api = Api::empty().await;
    let yaml = TOPOLOGY.replace("us:     { dataRegions: [us-east-1] }", "us:     { dataRegions: [mars-1] }");
    let yaml = yaml.replace("shardCount: 10", "shardCount: 0");
    for query in ["", "?check=true"] {
        let problem =
            api.put_topology(yaml.clone(), query).await.problem(StatusCode::UNPROCESSABLE_ENTITY, "topology_refused");
        let lines: Vec<_> = problem.problems.iter().map(|problem| problem.line).collect();
        assert!(lines.len() >= 2, "{problem:?}");
        assert!(lines.contains(&Some(5)) && lines.contains(&Some(10)), "{problem:?}");
        assert!(problem.problems.iter().all(|problem| !problem.path.is_empty() && !problem.reason.is_empty()));
    }
    api.get("/v1/topology").await.problem(StatusCode::NOT_FOUND, "no_topology");
}

#[tokio::test]
async fn an_edit_that_strands_a_tenant_is_refused() {
    let api = Api::with_tenants(&["acme"]).await;
    let without = TOPOLOGY.replace("      - { shard: issues-us-east-1, dataRegions: [us-east-1] }\n", "");
    let problem = api.put_topology(without, "").await.problem(StatusCode::UNPROCESSABLE_ENTITY, "topology_refused");
    assert!(problem.problems.iter().any(|problem| problem.reason.contains("issues-us-east-1")), "{problem:?}");
}

/// One more service, in which no tenant is placed.
const SEARCH: &str = "  search-service:
    store: { s3: { bucket: \"search-{region}\", prefix: \"{tenant}/\" } }
    shards:
      - { shard: search-us-east-1, dataRegions: [us-east-1] }
      - { shard: search-eu-west-1, dataRegions: [eu-west-1] }
";

#[tokio::test]
async fn a_service_that_tenants_are_not_placed_in_is_refused_with_numbers_until_it_is_accepted() {
    let api = Api::with_tenants(&["acme", "bolt"]).await;
    let edited = format!("{TOPOLOGY}{SEARCH}");
    let checked: TopologyApplied = api.put_topology(edited.clone(), "?check=true").await.expect(StatusCode::OK).json();
    let [found] = &checked.consequences[..] else { panic!("{checked:?}") };
    assert_eq!((found.code.as_str(), found.service.as_deref(), found.count), ("not_placed", Some("search-service"), 2));
    let refused = api.put_topology(edited.clone(), "").await;
    let problem = refused.problem(StatusCode::CONFLICT, "consequences_not_accepted");
    let says = |words: &str| assert!(problem.detail.contains(words), "{words}: {}", problem.detail);
    for words in ["2 tenants have no placement in service search-service", "optional: true", "--accept"] {
        says(words);
    }
    let shown: TopologyView = api.get("/v1/topology").await.expect(StatusCode::OK).json();
    assert_eq!(shown.version, 1, "nothing was changed");

    let applied: TopologyApplied = api.put_topology(edited.clone(), "?accept=true").await.expect(StatusCode::OK).json();
    assert_eq!((applied.version, applied.consequences), (Some(2), checked.consequences));
    let again: TopologyApplied = api.put_topology(edited.clone(), "").await.expect(StatusCode::OK).json();
    assert!(!again.changed, "applying it again needs no accepting");
    let later = format!("{edited}\nlimits: {{ writeUnits: 1000 }}\n");
    api.put_topology(later, "").await.expect(StatusCode::OK);
}

#[tokio::test]
async fn an_optional_service_has_no_consequences_until_it_is_made_mandatory() {
    let api = Api::with_tenants(&["acme"]).await;
    let optional = SEARCH.replace("  search-service:\n", "  search-service:\n    optional: true\n");
    api.put_topology(format!("{TOPOLOGY}{optional}"), "").await.expect(StatusCode::OK);
    let refused = api.put_topology(format!("{TOPOLOGY}{SEARCH}"), "").await;
    let problem = refused.problem(StatusCode::CONFLICT, "consequences_not_accepted");
    assert!(problem.detail.contains("1 tenant has no placement"), "{}", problem.detail);
}

#[tokio::test]
async fn an_edit_that_voids_a_scheduled_move_is_refused_until_it_is_accepted() {
    let api = Api::with_tenants(&["acme"]).await;
    let scheduled = api.schedule_move("acme").await;
    let edited = TOPOLOGY.replace("shardCount: 10", "shardCount: 12");
    let problem = api.put_topology(edited.clone(), "").await.problem(StatusCode::CONFLICT, "consequences_not_accepted");
    for words in ["1 move has", &scheduled.id, "shardCount (10, now 12)"] {
        assert!(problem.detail.contains(words), "{words}: {}", problem.detail);
    }
    api.put_topology(edited, "?accept=true").await.expect(StatusCode::OK);
    let spare = TOPOLOGY
        .replace("shardCount: 10", "shardCount: 12")
        .replace("realms:\n", "realms:\n  spare: { dataRegions: [us-east-1] }\n");
    api.put_topology(spare, "").await.expect(StatusCode::OK);
}

#[tokio::test]
async fn wrong_bodies_and_queries_are_refused() {
    let api = Api::empty().await;
    let request = api.request(reqwest::Method::PUT, "/v1/topology").header(CONTENT_TYPE, "text/plain").body(TOPOLOGY);
    Answer::of(request).await.problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type");
    api.put_topology(vec![0xff, 0xfe], "").await.problem(StatusCode::BAD_REQUEST, "invalid_body");
    api.put_topology(TOPOLOGY, "?check=perhaps").await.problem(StatusCode::BAD_REQUEST, "invalid_query");
    let problem = api.put_topology(TOPOLOGY, "?chekc=true").await.problem(StatusCode::BAD_REQUEST, "invalid_query");
    assert!(problem.detail.contains("chekc"), "{}", problem.detail);
}

#[tokio::test]
async fn a_file_may_be_larger_than_other_bodies_but_not_endless() {
    let api = Api::empty().await;
    let large = format!("{TOPOLOGY}{}", "# a comment\n".repeat(20_000));
    api.put_topology(large, "").await.expect(StatusCode::OK);
    let endless = "#".repeat((4 << 20) + 1);
    api.put_topology(endless, "").await.problem(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large");
}

#[tokio::test]
async fn a_store_is_not_reached_at_another_address_unless_both_answer() {
    let api = Api::empty().await;
    let url = "/v1/topology/rename-endpoint";
    let asked = |region: &str, kind: &str, address: &str| json!({ "region": region, "kind": kind, "address": address });
    let there = asked("us-east-1", "dynamodb", "http://127.0.0.1:10");
    api.post(url, &there).await.problem(StatusCode::CONFLICT, "no_topology");
    api.put_topology(TOPOLOGY, "").await.expect(StatusCode::OK);
    let problem = api.post(url, &there).await.problem(StatusCode::CONFLICT, "store_not_asked");
    assert!(problem.detail.contains("nothing was changed"), "{}", problem.detail);
    for (asked, status, code) in [
        (asked("mars", "s3", "http://a.example"), StatusCode::NOT_FOUND, "unknown_region"),
        (asked("us-east-1", "dynamodb", "a.example"), StatusCode::BAD_REQUEST, "address_invalid"),
        (asked("us-east-1", "dynamodb", "https://user:pw@a.example"), StatusCode::BAD_REQUEST, "address_invalid"),
        (asked("us-east-1", "tables", "http://a.example"), StatusCode::BAD_REQUEST, "invalid_body"),
        (json!({ "region": "us-east-1", "kind": "s3" }), StatusCode::BAD_REQUEST, "invalid_body"),
    ] {
        let problem = api.post(url, &asked).await.problem(status, code);
        assert!(!problem.detail.contains("pw"), "{}", problem.detail);
    }
    let shown = api.get("/v1/topology").await.expect(StatusCode::OK);
    assert_eq!(shown.json::<TopologyView>().version, 1);
}
