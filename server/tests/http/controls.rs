//! Pauses, retries, limits and explanations.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use server::api::{
    AuditView, Explained, LimitView, LimitsView, MoveView, Page, PauseAnswer, PausesView, RemovalDetail,
    TenantExplanation,
};
use store::sql;

use crate::harness::{Answer, Api};

async fn post<T: serde::de::DeserializeOwned>(api: &Api, path: &str, body: Value) -> T {
    api.post(path, &body).await.expect(StatusCode::OK).json()
}

async fn pauses(api: &Api) -> PausesView {
    api.get("/v1/pauses").await.expect(StatusCode::OK).json()
}

/// Makes the stored move one whose tenant is offline, as its runner would have, as far as pauses look.
async fn make_offline(api: &Api, id: &str) {
    let mut tx = api.deployment.store.begin().await.expect("a transaction");
    let changed = sql("UPDATE workflows SET keeps_offline = 1 WHERE id = $1").bind(id).execute(&mut tx).await;
    assert_eq!(changed.expect("written"), 1);
    tx.commit().await.expect("committed");
}

#[tokio::test]
async fn everything_is_paused_and_goes_on() {
    let api = Api::with_tenants(&["acme", "beta"]).await;
    let (held, offline) = (api.schedule_move("acme").await, api.schedule_move("beta").await);
    make_offline(&api, &offline.id).await;
    assert_eq!(pauses(&api).await, PausesView { items: Vec::new(), held: 0, goes_on: Vec::new() });

    let paused: PauseAnswer = post(&api, "/v1/pause", json!({ "reason": "incident 7" })).await;
    assert_eq!((paused.scope.as_str(), paused.paused, paused.changed), ("all", true, true));
    assert_eq!(paused.goes_on.iter().map(|going| going.id.as_str()).collect::<Vec<_>>(), [offline.id.as_str()]);
    let again: PauseAnswer = post(&api, "/v1/pause", json!({ "reason": "another" })).await;
    assert!(!again.changed);
    let found = pauses(&api).await;
    assert_eq!((found.held, found.goes_on.len()), (1, 1));
    assert_eq!((found.items[0].scope.as_str(), found.items[0].why.as_str()), ("all", "incident 7; anonymous: another"));
    let silent: PauseAnswer = post(&api, "/v1/pause", json!({})).await;
    assert!(!silent.changed && pauses(&api).await.items == found.items, "nothing to add");

    let shown: MoveView = api.get(&format!("/v1/moves/{}", held.id)).await.expect(StatusCode::OK).json();
    let explain = shown.explain.expect("one move is explained");
    assert_eq!((explain.waits_for.code.as_str(), explain.can_do[0].as_str()), ("paused", "realmctl resume --all"));
    let waits = shown.waiting_for.unwrap_or_default();
    assert!(waits.starts_with("a person: everything is paused since ") && waits.contains("incident 7"), "{waits}");

    let woken = api.waker.notified();
    let resumed: PauseAnswer = post(&api, "/v1/resume", json!({})).await;
    assert_eq!((resumed.paused, resumed.changed), (false, true));
    tokio::time::timeout(crate::harness::SOON, woken).await.expect("the runner is told");
    let resumed: PauseAnswer = post(&api, "/v1/resume", json!({})).await;
    assert!(!resumed.changed);
    let entries: Page<AuditView> = api.get("/v1/audit?limit=3").await.expect(StatusCode::OK).json();
    let told: Vec<_> = entries.items.iter().map(|entry| (entry.action.as_str(), entry.why.as_str())).collect();
    assert_eq!(told, [("all.resume", ""), ("all.pause", "another"), ("all.pause", "incident 7")]);
}

#[tokio::test]
async fn a_tenant_and_a_move_are_paused_each_by_itself() {
    let api = Api::with_tenants(&["acme", "beta"]).await;
    let started = api.schedule_move("acme").await;
    let path = |verb: &str| format!("/v1/moves/{}/{verb}", started.id);
    let code = |view: &MoveView| view.explain.as_ref().expect("explained").waits_for.code.clone();
    let tenant: PauseAnswer = post(&api, "/v1/tenants/acme/pause", json!({})).await;
    assert_eq!((tenant.scope.as_str(), tenant.changed), ("tenant:acme", true));
    let view: MoveView = post(&api, &path("pause"), json!({ "reason": "ask legal" })).await;
    assert_eq!(code(&view), "paused");
    assert_eq!(pauses(&api).await.items.len(), 2);
    api.post(&path("retry"), &json!({})).await.problem(StatusCode::CONFLICT, "paused");
    let tenant: PauseAnswer = post(&api, "/v1/tenants/acme/resume", json!({})).await;
    assert!(tenant.changed);
    let view: MoveView = api.get(&format!("/v1/moves/{}", started.id)).await.expect(StatusCode::OK).json();
    assert_eq!(code(&view), "paused", "still by itself");
    let view: MoveView = post(&api, &path("resume"), json!({})).await;
    assert_eq!(code(&view), "scheduled");
    api.post(&path("retry"), &json!({})).await.problem(StatusCode::CONFLICT, "scheduled");

    make_offline(&api, &started.id).await;
    let problem = api.post(&path("pause"), &json!({})).await.problem(StatusCode::CONFLICT, "tenant_offline");
    assert!(problem.detail.contains("moves cancel"), "{}", problem.detail);
    api.post(&path("cancel"), &json!({})).await.expect(StatusCode::OK);
    for verb in ["pause", "retry"] {
        api.post(&path(verb), &json!({})).await.problem(StatusCode::CONFLICT, "move_ended");
        let nothing = api.post(&format!("/v1/moves/nothing/{verb}"), &json!({})).await;
        nothing.problem(StatusCode::NOT_FOUND, "unknown_move");
        let no_removal = api.post(&format!("/v1/removals/{}/{verb}", started.id), &json!({})).await;
        no_removal.problem(StatusCode::NOT_FOUND, "unknown_removal");
        let nobody = api.post("/v1/tenants/nobody/pause", &json!({})).await;
        nobody.problem(StatusCode::NOT_FOUND, "unknown_tenant");
    }
}

#[tokio::test]
async fn a_move_starts_paused_when_asked_to() {
    let api = Api::with_tenants(&["acme"]).await;
    let body = json!({ "to": "eu", "paused": true, "reason": "not before the call" });
    let started: MoveView = api.post("/v1/tenants/acme/moves", &body).await.expect(StatusCode::ACCEPTED).json();
    let explain = started.explain.expect("explained");
    assert_eq!(explain.waits_for.code, "paused");
    assert!(explain.waits_for.text.ends_with("not before the call"), "{}", explain.waits_for.text);
    assert_eq!(explain.can_do[0], format!("realmctl moves resume {}", started.id));
}

#[tokio::test]
async fn limits_are_set_listed_and_taken_away() {
    let api = Api::with_tenants(&["acme"]).await;
    let put = async |body: Value| Answer::of(api.request(Method::PUT, "/v1/limits").json(&body)).await;
    let unset = async |scope: &str| {
        Answer::of(api.request(Method::DELETE, "/v1/limits").json(&json!({ "scope": scope }))).await
    };
    let set = put(json!({ "scope": "region:eu-west-1", "slots": 20, "reason": "throttled" })).await;
    let set: LimitView = set.expect(StatusCode::OK).json();
    assert_eq!((set.slots, set.used, set.waiting, set.reason.as_str()), (Some(20), 0, 0, "throttled"));
    put(json!({ "scope": "overall", "slots": 0 })).await.expect(StatusCode::OK);
    put(json!({ "scope": "table:dynamodb|aws:eu-west-1|issues", "slots": 5 }))
        .await
        .problem(StatusCode::NOT_FOUND, "unknown_scope");
    let problem =
        put(json!({ "scope": "region:mars", "slots": 5 })).await.problem(StatusCode::NOT_FOUND, "unknown_scope");
    let known = problem.detail.split(", ").find(|scope| scope.starts_with("table:")).expect("tables are named");
    put(json!({ "scope": known.trim_end_matches('…'), "slots": 5 })).await.expect(StatusCode::OK);
    put(json!({ "scope": "overall", "slots": -1 })).await.problem(StatusCode::BAD_REQUEST, "invalid_limit");
    let all: LimitsView = api.get("/v1/limits").await.expect(StatusCode::OK).json();
    assert_eq!(all.items.len(), 3);
    let left: LimitsView = unset("overall").await.expect(StatusCode::OK).json();
    assert!(left.items.iter().all(|limit| limit.scope != "overall"));
    unset("overall").await.problem(StatusCode::NOT_FOUND, "unknown_limit");
    unset("a\u{0}b").await.problem(StatusCode::NOT_FOUND, "unknown_limit");
}

#[tokio::test]
async fn limits_on_units_are_set_beside_those_on_tasks_and_audited() {
    let api = Api::with_tenants(&["acme"]).await;
    let put = async |body: Value| Answer::of(api.request(Method::PUT, "/v1/limits").json(&body)).await;
    let refused = async |body: Value, words: &str| {
        // Without anything to limit, each part of it is right.
        let only_a_scope = body.as_object().is_some_and(|body| body.len() == 1);
        let status = if only_a_scope { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::BAD_REQUEST };
        let problem = put(body).await.problem(status, "invalid_limit");
        assert!(problem.detail.contains(words), "{}", problem.detail);
    };
    let of = |limit: &LimitView| (limit.slots, limit.write_units, limit.read_units);
    let problem = put(json!({ "scope": "table:?", "writeUnits": 5 })).await;
    let problem = problem.problem(StatusCode::NOT_FOUND, "unknown_scope");
    let known = |kind: &str| {
        let mut scopes = problem.detail.split(", ").filter(|scope| scope.starts_with(kind));
        scopes.next().map(|scope| scope.trim_end_matches('…').to_owned())
    };
    let table = known("table:dynamodb|").expect("a table is named");
    let set = async |body: Value| put(body).await.expect(StatusCode::OK).json::<LimitView>();
    let limit = set(json!({ "scope": table, "writeUnits": 10_000_000, "reason": "live traffic" })).await;
    assert_eq!(of(&limit), (None, Some(10_000_000), None));
    let limit = set(json!({ "scope": table, "slots": 3, "readUnits": 1 })).await;
    assert_eq!(of(&limit), (Some(3), Some(10_000_000), Some(1)), "what is not named stays");
    let raw: Value = put(json!({ "scope": "overall", "readUnits": 7 })).await.expect(StatusCode::OK).json();
    assert_eq!((raw.get("slots"), raw.get("writeUnits"), raw.get("readUnits")), (None, None, Some(&json!(7))));

    let bucket = known("table:s3|").expect("a bucket is named");
    refused(json!({ "scope": bucket, "readUnits": 5 }), "only tables of DynamoDB").await;
    set(json!({ "scope": bucket, "slots": 5 })).await;
    for wrong in
        [json!({ "writeUnits": 0 }), json!({ "readUnits": -1 }), json!({ "slots": 1, "readUnits": 10_000_001 })]
    {
        let mut body = wrong;
        body["scope"] = json!(table);
        refused(body, "from 1 to 10000000").await;
    }
    refused(json!({ "scope": "overall" }), "nothing to limit is named").await;
    let units = json!({ "scope": "overall", "writeunits": 5 });
    put(units).await.problem(StatusCode::BAD_REQUEST, "invalid_body");
    let all: LimitsView = api.get("/v1/limits").await.expect(StatusCode::OK).json();
    let listed = all.items.iter().find(|limit| limit.scope == table).expect("it is listed");
    assert_eq!(of(listed), (Some(3), Some(10_000_000), Some(1)), "what was refused changed nothing");

    let unset = api.request(Method::DELETE, "/v1/limits").json(&json!({ "scope": table }));
    let left: LimitsView = Answer::of(unset).await.expect(StatusCode::OK).json();
    assert!(left.items.iter().all(|limit| limit.scope != table));
    let entries: Page<AuditView> = api.get("/v1/audit?limit=5").await.expect(StatusCode::OK).json();
    let unset = &entries.items[0];
    assert_eq!((unset.action.as_str(), &unset.before["writeUnits"]), ("limit.unset", &json!(10_000_000)));
    assert_eq!((&unset.before["slots"], &unset.after["readUnits"]), (&json!(3), &Value::Null));
    let set = entries
        .items
        .iter()
        .find(|entry| entry.before["writeUnits"] == json!(10_000_000) && entry.action == "limit.set");
    let set = set.expect("the change is in the trail");
    assert_eq!((&set.before["readUnits"], &set.after["readUnits"]), (&Value::Null, &json!(1)));
}

#[tokio::test]
async fn moves_and_tenants_are_explained() {
    let api = Api::with_tenants(&["acme"]).await;
    let started = api.schedule_move("acme").await;
    let explain = async |id: &str| api.get(&format!("/v1/explain/{id}")).await;
    let raw: Value = explain(&started.id).await.expect(StatusCode::OK).json();
    assert_eq!((&raw["about"], &raw["kind"], &raw["state"]), (&json!("workflow"), &json!("move"), &json!("scheduled")));
    assert_eq!(raw["waitsFor"]["code"], json!("scheduled"));
    assert_eq!(raw["waitsFor"]["until"], json!("2100-01-01T00:00:00.000Z"));
    let tenant: Explained = explain("acme").await.expect(StatusCode::OK).json();
    let Explained::Tenant(tenant) = tenant else { panic!("{tenant:?}") };
    let TenantExplanation { status, workflows, .. } = *tenant;
    assert_eq!((status.as_str(), workflows.len(), workflows[0].id.as_str()), ("online", 1, started.id.as_str()));
    explain("nothing").await.problem(StatusCode::NOT_FOUND, "unknown_id");

    // What another version wrote is explained, not hidden behind an error.
    let mut tx = api.deployment.store.begin().await.expect("a transaction");
    sql("UPDATE workflows SET state = 'teleporting', data = '{\"stage\":{\"name\":\"teleporting\"}}' WHERE id = $1")
        .bind(&started.id)
        .execute(&mut tx)
        .await
        .expect("written");
    tx.commit().await.expect("committed");
    let raw: Value = explain(&started.id).await.expect(StatusCode::OK).json();
    assert_eq!(raw["waitsFor"]["code"], json!("unreadable_state"));
}

#[tokio::test]
async fn a_removal_is_paused_and_resumed() {
    let api = Api::with_tenants(&["acme"]).await;
    let id = crate::removals::failed_removal(&api, "acme").await;
    let path = |verb: &str| format!("/v1/removals/{id}/{verb}");
    let problem = api.post(&path("pause"), &json!({})).await.problem(StatusCode::CONFLICT, "removal_ended");
    assert!(problem.detail.contains("removals replay"), "{}", problem.detail);
    let shown: RemovalDetail = api.get(&format!("/v1/removals/{id}")).await.expect(StatusCode::OK).json();
    assert_eq!(shown.explain.expect("explained").can_do, [format!("realmctl removals replay {id}")]);
    api.post(&path("replay"), &json!({})).await.expect(StatusCode::OK);
    for (verb, code) in [("pause", "paused"), ("resume", "tasks")] {
        let view: RemovalDetail = post(&api, &path(verb), json!({})).await;
        assert_eq!(view.explain.expect("explained").waits_for.code, code);
    }
}
