//! What the canned server knows: tenants, moves, removals and the rest, with the ids, names and errors that real ones have.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

pub(crate) const MOVE: &str = "0199f3a1-7c00-7a31-8000-5f0000000001";
pub(crate) const OTHER_MOVE: &str = "0199f3a1-7c00-7b52-8000-5f0000000002";
pub(crate) const REMOVAL: &str = "0199f3a2-0d10-7c03-8000-5f0000000003";
pub(crate) const OTHER_REMOVAL: &str = "0199f3a2-0d10-7d94-8000-5f0000000004";
pub(crate) const CAMPAIGN: &str = "0199f3a0-11aa-7e05-8000-5f0000000005";
pub(crate) const DELIVERY: &str = "0199f3a2-0d10-7e15-8000-5f0000000006";
const HASH: &str = "9f1c2a0b77aa51de";
const PLAN: &str = "5c1f0e5a3ac7f2d1b0c9e8d7f6a5b4c3d2e1f0a9b8c7d6e5f4a3b2c1d0e9f8a7";

/// So long ago, as the API writes it. Lists show the age in minutes, hours or days; half of one is added, so that the time that the test
/// takes does not matter.
pub(crate) fn ago(minutes: u64) -> String {
    let half = if minutes >= 1_440 { 720 } else { 30 };
    let before = Duration::from_secs(minutes * 60 + half);
    let at = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970") - before;
    jiff::Timestamp::from_second(i64::try_from(at.as_secs()).expect("a time")).expect("a time").to_string()
}

pub(crate) fn page(items: &[Value]) -> Value {
    json!({ "items": items, "nextCursor": null })
}

fn plan() -> Value {
    json!([
        { "service": "activity-service", "fromShard": "activity-us-east-1", "toShard": "activity-eu-west-1",
          "add": ["eu-west-1"], "keep": [], "remove": ["us-east-1"] },
        { "service": "issue-service", "fromShard": "issues-us-east-1", "toShard": "issues-eu-west-1",
          "add": ["eu-west-1"], "keep": [], "remove": ["us-east-1"] },
        { "service": "media-service", "fromShard": "media-us-east-1", "toShard": "media-eu-west-1",
          "add": ["eu-west-1/media-eu-west-1"], "keep": [], "remove": ["us-east-1/media-us-east-1"] },
    ])
}

fn any_move(id: &str, state: &str) -> Value {
    json!({
        "id": id, "tenant": "acme", "from": "us", "to": "eu", "state": state, "plan": plan(), "planHash": PLAN,
        "offlineMs": 0, "copied": { "items": 0, "objects": 0, "bytes": 0 }, "verified": false,
        "verification": { "mode": "full" }, "removals": [], "startedAt": "2026-11-21T21:50:00.000Z", "finishedAt": null,
        "error": null, "progress": null, "waitingFor": null, "warnings": [], "requestedBy": "sam", "reason": "contract 4711",
    })
}

fn with(mut value: Value, more: Value) -> Value {
    let (Value::Object(fields), Value::Object(more)) = (&mut value, more) else { unreachable!("both are objects") };
    fields.extend(more);
    value
}

pub(crate) fn completed() -> Value {
    let passage = |state: &str, second: u32, note: &str| json!({ "state": state, "at": format!("2026-11-21T21:50:{second:02}.250Z"), "note": note });
    with(
        any_move(MOVE, "completed"),
        json!({
            "offlineMs": 41_500, "offlineFrom": "2026-11-21T21:50:04.250Z", "offlineUntil": "2026-11-21T21:50:45.750Z",
            "copied": { "items": 20_000, "objects": 1_000, "bytes": 48_234_496 }, "verified": true,
            "finishedAt": "2026-11-21T21:50:47.000Z",
            "timeline": [
                passage("preflight", 0, ""), passage("waiting", 3, ""), passage("offline", 4, ""), passage("drain", 4, ""),
                passage("add_data", 10, ""), passage("verify", 31, ""), passage("commit", 44, ""), passage("notify", 45, ""),
                passage("completed", 47, ""),
            ],
            "removals": [
                { "id": REMOVAL, "service": "issue-service", "location": "us-east-1", "state": "failed" },
                { "id": OTHER_REMOVAL, "service": "media-service", "location": "us-east-1/media-us-east-1", "state": "done" },
            ],
        }),
    )
}

pub(crate) fn rolled_back() -> Value {
    let message = "stopped before the offline budget was spent: projected 1,412 s offline of the 1,200 s allowed, after 310 s copying \
                   eu-west-1; allow more with --budget (and --offline-deadline), or move when less is written to the target";
    with(
        any_move(OTHER_MOVE, "rolled_back"),
        json!({
            "tenant": "globex-manufacturing", "offlineMs": 311_000, "offlineFrom": "2026-11-21T21:50:04.250Z",
            "offlineUntil": "2026-11-21T21:55:15.250Z", "finishedAt": "2026-11-21T21:55:15.250Z",
            "error": { "code": "offline_budget", "message": message },
            "timeline": [
                { "state": "preflight", "at": "2026-11-21T21:50:01.250Z" }, { "state": "waiting", "at": "2026-11-21T21:50:03.250Z" },
                { "state": "offline", "at": "2026-11-21T21:50:04.000Z" }, { "state": "drain", "at": "2026-11-21T21:50:04.250Z" },
                { "state": "add_data", "at": "2026-11-21T21:50:10.250Z" },
                { "state": "re_online", "at": "2026-11-21T21:55:15.000Z", "note": "offline_budget" },
                { "state": "rolled_back", "at": "2026-11-21T21:55:15.250Z" },
            ],
        }),
    )
}

fn unreachable_error() -> Value {
    json!({ "code": "endpoint_unreachable",
            "message": "https://dynamodb.eu-west-1.amazonaws.com does not answer: connection refused" })
}

/// A move whose ten copies run into the same.
pub(crate) fn running() -> Value {
    let task = |number: u32| {
        json!({
            "id": format!("t{number}"), "kind": "copy", "target": "dynamodb|aws:eu-west-1|issues", "status": "open", "attempt": number,
            "waitsFor": {
                "code": "retry", "until": "2026-11-21T21:52:00.000Z",
                "text": format!("its next attempt, {number} failed since 2026-11-21 21:50:30 UTC: https://dynamodb.eu-west-1.amazonaws.com does not answer: connection refused (endpoint_unreachable)"),
            },
            "lastError": unreachable_error(), "progress": {}, "savedAt": "2026-11-21T21:50:30.000Z",
        })
    };
    with(
        any_move(MOVE, "add_data"),
        json!({
            "budgetMs": 1_200_000, "offlineMs": 62_000, "offlineFrom": "2026-11-21T21:50:04.250Z", "offlineAllowedMs": 1_200_000,
            "projectedOfflineMs": 180_000, "etaMs": 118_000, "etaLowMs": 90_000, "etaHighMs": 240_000,
            "progress": { "tasksDone": 2, "tasks": 12, "done": { "items": 8_000, "objects": 400, "bytes": 9_000_000 },
                          "expected": { "items": 20_000, "objects": 1_000, "bytes": 48_234_496 } },
            "timeline": [
                { "state": "preflight", "at": "2026-11-21T21:50:01.250Z" }, { "state": "waiting", "at": "2026-11-21T21:50:03.250Z" },
                { "state": "offline", "at": "2026-11-21T21:50:04.000Z" }, { "state": "drain", "at": "2026-11-21T21:50:04.250Z" },
                { "state": "add_data", "at": "2026-11-21T21:50:10.250Z" },
            ],
            "explain": with(explained(), json!({ "tasks": (1..=10).map(task).collect::<Vec<_>>() })),
        }),
    )
}

pub(crate) fn scheduled() -> Value {
    with(
        any_move(MOVE, "scheduled"),
        json!({
            "waitingFor": "its window, from 2026-12-01 02:00:00 UTC to 2026-12-01 04:00:00 UTC",
            "window": { "from": "2026-12-01T02:00:00.000Z", "to": "2026-12-01T04:00:00.000Z" },
            "warnings": ["a budget of 120 min has no effect beyond 60 min, the longest that this deployment lets a tenant be offline (--offline-deadline)"],
        }),
    )
}

pub(crate) fn moves() -> Value {
    let young = |value: Value, minutes| with(value, json!({ "startedAt": ago(minutes) }));
    let held =
        with(scheduled(), json!({ "id": "0199f3a1-7c00-7c00-8000-5f0000000006", "tenant": "initech", "paused": true }));
    page(&[
        young(held, 1),
        young(scheduled(), 2),
        young(running(), 3),
        young(rolled_back(), 150),
        young(completed(), 4_320),
    ])
}

pub(crate) fn explained() -> Value {
    json!({
        "id": MOVE, "kind": "move", "tenant": "acme", "state": "add_data", "since": "2026-11-21T21:50:10.250Z",
        "waitsFor": { "code": "retry",
                      "text": "its data tasks: 2 of 12 done, 10 waiting for their next attempt; attempts fail since 2026-11-21 21:50:30 UTC: https://dynamodb.eu-west-1.amazonaws.com does not answer: connection refused (endpoint_unreachable)" },
        "attempt": 0, "canDo": [format!("realmctl moves retry {MOVE}"), format!("realmctl moves cancel {MOVE}")],
    })
}

pub(crate) fn explained_workflow() -> Value {
    with(running()["explain"].clone(), json!({ "about": "workflow" }))
}

pub(crate) fn explained_tenant() -> Value {
    json!({
        "about": "tenant", "id": "acme", "status": "moving", "realm": "us", "epoch": 7, "activeMove": MOVE,
        "leaseUntil": "2026-11-21T21:53:00.000Z",
        "waitsFor": { "code": "moving", "until": "2026-11-21T21:53:00.000Z",
                      "text": format!("offline for move {MOVE}, which waits for its data tasks; without progress it is brought back online") },
        "workflows": [explained()], "canDo": [format!("realmctl moves cancel {MOVE}")],
    })
}

pub(crate) fn dry_run() -> Value {
    json!({
        "tenant": "acme", "from": "us", "to": "eu", "plan": plan(), "planHash": PLAN, "needsOffline": true, "leastOfflineMs": 106_000,
        "offlineAllowedMs": 3_600_000, "begins": "2026-11-21T21:50:00.000Z",
        "estimate": { "items": 20_000, "objects": 1_000, "bytes": 48_234_496, "writeUnits": 81_000, "readUnits": 40_500, "requests": 6_000,
                      "costClass": "medium", "offlineMs": 141_000, "offlineHighMs": 260_000, "fits": true },
        "obstacles": [
            { "code": "target_busy", "canDo": [format!("realmctl explain {REMOVAL}")],
              "text": format!("it would wait for issue-service at eu-west-1 to be empty: data is still being removed there; removal {REMOVAL}, failed, waits for a person: put the cause right, then replay it, which is safe at any time") },
            { "code": "paused", "canDo": ["realmctl resume --all"],
              "text": "it would wait for a person: everything is paused since 2026-11-21 21:00:00 UTC by sam: incident 7" },
        ],
        "warnings": ["a budget of 120 min has no effect beyond 60 min, the longest that this deployment lets a tenant be offline (--offline-deadline)"],
    })
}

pub(crate) fn removal() -> Value {
    json!({
        "id": REMOVAL, "tenant": "acme", "service": "issue-service", "location": "us-east-1",
        "locationKey": "dynamodb|aws:us-east-1|issues", "liveAt": ["eu-west-1"], "state": "failed", "queuedBy": MOVE, "waitingFor": null,
        "lateWrites": "compared", "removed": null, "queuedAt": "2026-11-21T21:50:45.750Z", "dueAt": null,
        "finishedAt": "2026-11-21T21:52:10.000Z",
        "lateWritesFound": { "added": { "count": 3 }, "changed": { "count": 1 }, "deleted": { "count": 0 }, "uncertain": 0, "hash": HASH },
        "error": { "code": "late_writes",
                   "message": "issue-service at us-east-1 has changed since the move verified it: 3 items were added and 1 was changed. Added: {\"pk\":{\"S\":\"acme/issue-20001\"}}" },
        "explain": {
            "id": REMOVAL, "kind": "removal", "tenant": "acme", "place": "issue-service at us-east-1", "state": "failed", "since": "2026-11-21T21:52:10.000Z",
            "waitsFor": { "code": "replay", "text": "a person: repeat the late writes that are needed where the tenant lives now and replay it; only if none of them is needed, replay it accepting exactly these, which are then deleted" },
            "attempt": 0,
            "canDo": [format!("realmctl removals show {REMOVAL} --keys FILE"), format!("realmctl removals replay {REMOVAL}"),
                      format!("realmctl removals replay {REMOVAL} --accept-late-writes {HASH}")],
        },
    })
}

pub(crate) fn removals() -> Value {
    let failed = with(removal(), json!({ "queuedAt": ago(4_320), "explain": null }));
    let retrying = with(
        failed.clone(),
        json!({
            "id": OTHER_REMOVAL, "tenant": "globex-manufacturing", "service": "media-service", "location": "us-east-1/media-us-east-1",
            "locationKey": "s3|aws:us-east-1|media-us-east-1|globex-manufacturing/", "state": "removing", "finishedAt": null,
            "error": unreachable_error(), "retrying": { "since": ago(5), "attempts": 12, "error": unreachable_error() },
            "queuedAt": ago(30), "lateWritesFound": null,
        }),
    );
    page(&[retrying, failed])
}

pub(crate) fn tenant() -> Value {
    json!({
        "id": "acme", "host": "acme.example", "realm": "eu", "status": "online", "epoch": 8, "activeMove": null,
        "createdAt": "2026-10-01T08:00:00.000Z",
        "placements": [ { "service": "activity-service", "shard": "activity-eu-west-1" },
                        { "service": "issue-service", "shard": "issues-eu-west-1" } ],
        "ledger": [
            { "service": "activity-service", "location": "eu-west-1", "locationKey": "dynamodb|aws:eu-west-1|activity", "state": "live",
              "generation": 1, "workflow": null },
            { "service": "issue-service", "location": "us-east-1", "locationKey": "dynamodb|aws:us-east-1|issues", "state": "removing",
              "generation": 1, "workflow": REMOVAL },
        ],
    })
}

pub(crate) fn tenants() -> Value {
    let bare = |id: &str, host: &str, realm: &str, status: &str, minutes| json!({ "id": id, "host": host, "realm": realm, "status": status, "epoch": 3, "activeMove": null, "createdAt": ago(minutes) });
    page(&[
        bare("acme", "acme.example", "eu", "online", 86_400),
        bare("globex-manufacturing", "globex-manufacturing.customers.example", "us", "moving", 2_880),
    ])
}

pub(crate) fn campaign() -> Value {
    json!({
        "id": CAMPAIGN, "to": "eu", "state": "halted", "total": 120, "waiting": 60, "running": 0, "done": 55, "rolledBack": 4, "failed": 1,
        "skipped": 0, "cancelled": 0, "failures": 5, "maxFailures": "5", "wave": 7, "waveSize": 10, "wavePauseMs": 60_000, "atOnce": 5,
        "window": "22:00-04:00", "budgetMs": 1_200_000, "priority": "normal", "perHour": 40, "etaMs": 5_400_000, "waitingFor": null,
        "error": { "code": "too_many_failures", "message": "5 moves rolled back or failed, the limit of this campaign" },
        "startedAt": "2026-11-21T20:00:00.000Z", "finishedAt": null, "requestedBy": "sam", "reason": "german customers",
    })
}

pub(crate) fn campaigns() -> Value {
    page(&[with(campaign(), json!({ "startedAt": ago(180) }))])
}

pub(crate) fn members() -> Value {
    let member = |tenant: &str, state: &str, id: Value, code: Value| {
        json!({ "tenant": tenant, "state": state, "moveId": id, "attempts": 1, "code": code, "reason": null,
                "updatedAt": "2026-11-21T20:10:00.000Z" })
    };
    page(&[
        member("acme", "done", json!(MOVE), Value::Null),
        member("globex-manufacturing", "rolled_back", json!(OTHER_MOVE), json!("offline_budget")),
        member("initech", "waiting", Value::Null, Value::Null),
    ])
}

pub(crate) fn campaign_plan() -> Value {
    json!({ "to": "eu", "total": 120, "moves": 118, "needOffline": 110, "waves": 12, "skippedByCode": { "nothing_to_do": 2 },
            "skipped": [ { "tenant": "acme", "code": "nothing_to_do", "reason": "acme is in realm eu already" },
                         { "tenant": "initech", "code": "nothing_to_do", "reason": "initech is in realm eu already" } ] })
}

pub(crate) fn limits() -> Value {
    json!({ "items": [limit(), {
        "scope": "table:dynamodb|aws:eu-west-1|issues", "writeUnits": 2_500, "used": 4, "waiting": 0, "setAt": "2026-11-21T20:00:00.000Z",
        "setBy": "sam", "reason": "shared with search" }] })
}

pub(crate) fn limit() -> Value {
    json!({ "scope": "region:eu-west-1", "slots": 20, "used": 12, "waiting": 24, "setAt": "2026-11-21T20:00:00.000Z", "setBy": "sam",
            "reason": "table is throttled" })
}

pub(crate) fn pauses() -> Value {
    json!({
        "items": [ { "scope": "all", "at": "2026-11-21T21:00:00.000Z", "who": "sam", "why": "incident 7" },
                   { "scope": "tenant:globex-manufacturing", "at": "2026-11-20T09:00:00.000Z", "who": "kim", "why": "legal hold" } ],
        "held": 42, "goesOn": [ { "id": MOVE, "kind": "move", "tenant": "acme", "state": "add_data" } ],
    })
}

pub(crate) fn pause(scope: &str, paused: bool) -> Value {
    let goes_on = if paused { pauses()["goesOn"].clone() } else { json!([]) };
    json!({ "scope": scope, "paused": paused, "changed": true, "goesOn": goes_on })
}

pub(crate) fn workers() -> Value {
    let kinds = json!(["compare", "copy", "recheck", "remove", "verify"]);
    json!([
        { "name": "server-1.eu-west-1.internal.example/731", "tasks": [], "inHand": 0 },
        { "name": "worker-1.eu-west-1.internal.example/38bde063-6f14-4a4f-9c57-0f3f1d1d3a55/48211/01a22d04f6a17d1c", "tasks": kinds, "inHand": 10 },
        { "name": "worker-2.eu-west-1.internal.example/1207", "tasks": [], "inHand": 0,
          "unfit": "no certificate authority is known on this machine: install the package ca-certificates, or name a file of them in SSL_CERT_FILE" },
    ])
}

pub(crate) fn status() -> Value {
    json!({
        "version": "0.4.0",
        "offline": [{ "tenant": "acme", "move": MOVE, "leaseUntil": "2026-11-21T21:53:00.000Z" }],
        "attention": [
            { "code": "failed_removals", "text": "2 removals failed: data that moves left behind is still there",
              "canDo": "realmctl removals list --failed" },
            { "code": "paused", "text": "everything is paused since 2026-11-21 21:00:00 UTC by sam: incident 7", "canDo": "realmctl pauses" },
        ],
        "work": [
            { "kind": "move", "state": "add_data", "count": 1, "failing": 1 },
            { "kind": "move", "state": "scheduled", "count": 1_204, "failing": 0 },
            { "kind": "removal", "state": "removing", "count": 3, "failing": 1 },
        ],
        "workers": workers(),
    })
}

pub(crate) fn audit() -> Value {
    page(&[
        json!({ "id": "a3", "at": "2026-11-21T21:55:00.000Z", "who": "sam", "action": "removal.replay", "tenant": "acme", "why": "looked at with the owner",
                "before": { "removal": REMOVAL, "state": "failed", "code": "late_writes" },
                "after": { "removal": REMOVAL, "service": "issue-service", "location": "us-east-1", "state": "replayed", "acceptLateWrites": HASH } }),
        json!({ "id": "a2", "at": "2026-11-21T21:50:45.750Z", "who": "sam", "action": "ledger.removing", "tenant": "acme", "why": "contract 4711",
                "before": { "state": "live" }, "after": { "service": "issue-service", "location": "us-east-1", "state": "removing" } }),
        json!({ "id": "a1", "at": "2026-11-21T21:50:00.000Z", "who": "sam", "action": "move.start", "tenant": "acme", "why": "contract 4711",
                "before": { "realm": "us" }, "after": { "to": "eu" } }),
    ])
}

fn topology() -> Value {
    json!({
        "regions": { "us-east-1": {}, "eu-west-1": { "dynamodb": { "endpoint": "https://dynamodb.eu-west-1.example" } } },
        "realms": { "us": { "dataRegions": ["us-east-1"] }, "eu": { "dataRegions": ["eu-west-1"] } },
        "services": { "issue-service": {
            "store": { "dynamodb": { "table": "issues", "index": "by-tenant", "indexKey": "tenant_shard", "shardCount": 10 } },
            "shards": [ { "shard": "issues-us-east-1", "dataRegions": ["us-east-1"] },
                        { "shard": "issues-eu-west-1", "dataRegions": ["eu-west-1"] } ],
        } },
    })
}

pub(crate) fn topology_applied(version: Option<u32>) -> Value {
    json!({ "version": version, "hash": PLAN, "changed": version.is_some(), "topology": topology(),
            "consequences": [ { "code": "not_placed", "service": "search-service", "count": 12,
                                "message": "12 tenants would not be placed in search-service: mark it `optional: true`" } ] })
}

pub(crate) fn topology_view() -> Value {
    json!({ "version": 7, "hash": PLAN, "appliedAt": "2026-11-20T08:00:00.000Z", "appliedBy": "kim", "topology": topology() })
}

const TOKEN: &str = "6f1c0b7a9d2e4f58";

fn token(name: &str, role: &str, scope: &Value) -> Value {
    json!({ "id": TOKEN, "name": name, "role": role, "scope": scope, "createdAt": "2026-11-20T08:00:00.000Z", "createdBy": "ada",
            "expiresAt": null, "revokedAt": null, "revokedBy": null, "lastUsedAt": null })
}

/// A token that was made just now.
pub(crate) fn created_token() -> Value {
    let mut created = token("sign-up", "provisioner", &json!({ "realm": "eu" }));
    created["secret"] = json!(format!("rct_{TOKEN}_{}", "0123456789abcdef".repeat(4)));
    created
}

/// One of each kind.
pub(crate) fn tokens() -> Value {
    let mut used = token("kim@example.com", "oncall", &json!("all"));
    used["lastUsedAt"] = json!("2026-11-21T21:55:03.123Z");
    used["expiresAt"] = json!("2999-01-01T00:00:00.000Z");
    let mut revoked = token("sign-up", "provisioner", &json!({ "realm": "eu" }));
    revoked["revokedAt"] = json!("2026-11-21T21:55:03.123Z");
    revoked["revokedBy"] = json!("ada");
    page(&[used, revoked, token("acme-support", "support", &json!({ "tenants": ["acme", "globex"] }))])
}

/// Without the one that was revoked.
pub(crate) fn good_tokens() -> Value {
    let all = tokens();
    page(&[all["items"][0].clone(), all["items"][2].clone()])
}

/// One that was revoked.
pub(crate) fn revoked_token() -> Value {
    tokens()["items"][1].clone()
}

pub(crate) const APPROVAL: &str = "0199f3a2-0d10-7e15-8000-5f0000000007";

/// A request for approval, in this state.
pub(crate) fn approval(state: &str) -> Value {
    let mut request = json!({
        "id": APPROVAL, "action": "move", "tenant": "acme", "state": state, "summary": "move tenant acme to eu",
        "content": { "type": "move", "paused": false, "planHash": "ab".repeat(32),
                     "request": { "tenant": "acme", "to": "eu", "budgetMs": null, "priority": "normal", "verification": "full" } },
        "hash": "9f86d081884c7d659a2feaa0c55ad015", "requestedBy": "sam", "requestedAt": "2026-11-21T21:55:03.123Z",
        "reason": "contract 4711", "expiresAt": "2026-11-22T21:55:03.123Z", "decidedBy": null, "decidedAt": null,
        "decisionReason": null, "outcome": null,
    });
    if state != "pending" {
        request["decidedBy"] = json!("ada");
        request["decidedAt"] = json!("2026-11-21T22:05:03.123Z");
        request["decisionReason"] = json!("checked with legal");
    }
    if state == "approved" {
        request["outcome"] = json!({ "move": MOVE, "changed": true });
    }
    request
}

/// One that waits, and one that was declined.
pub(crate) fn approvals() -> Value {
    page(&[approval("pending"), approval("declined")])
}

/// Moves and the topology take two people.
pub(crate) fn approval_policy() -> Value {
    json!({ "actions": ["move", "topology"], "validForMs": 86_400_000, "setAt": "2026-11-21T21:55:03.123Z", "setBy": "ada" })
}

fn session(name: &str, role: &str, groups: &Value) -> Value {
    json!({ "id": TOKEN, "name": name, "subject": "4711", "issuer": "https://login.example", "role": role, "groups": groups,
            "createdAt": "2026-11-20T08:00:00.000Z", "expiresAt": "2026-11-20T20:00:00.000Z",
            "rotatedAt": "2026-11-20T08:45:00.000Z", "lastUsedAt": "2026-11-20T08:55:03.123Z", "endedAt": null, "endedBy": null,
            "endedWhy": null, "origin": "192.0.2.7", "userAgent": "Mozilla/5.0 (X11; Linux x86_64)" })
}

/// One that is good, and one that was ended.
pub(crate) fn sessions() -> Value {
    let items = [session("ada@example.com", "admin", &json!(["admins"])), revoked_sessions()["ended"][0].clone()];
    page(&items)
}

/// What an admin has ended.
pub(crate) fn revoked_sessions() -> Value {
    let mut ended = session("kim@example.com", "oncall", &json!(["ops"]));
    ended["endedAt"] = json!("2026-11-20T09:10:00.000Z");
    ended["endedBy"] = json!("ada@example.com");
    ended["endedWhy"] = json!("revoked");
    json!({ "ended": [ended] })
}

/// The end of the audit trail's chain.
pub(crate) fn audit_head() -> Value {
    json!({ "seq": 12_345, "digest": "0123456789abcdef".repeat(4), "sealedAt": "2026-11-21T21:55:03.123Z", "unsealed": 2,
            "oldestUnsealedMs": 1_500 })
}

/// One that is told all, and one that is behind.
pub(crate) fn webhooks() -> Value {
    let webhook = |name: &str, url: &str| {
        json!({ "name": name, "url": url, "events": [], "deliveredSeq": 4_711, "lagEntries": 0, "lagMs": 0, "pending": 0, "failed": 0,
                "lastError": null, "nextAt": null, "seenAt": "2026-11-21T21:55:03.123Z" })
    };
    let mut behind = webhook("billing", "https://billing.example/realmctl");
    for (name, value) in [
        ("events", json!(["tenant.created", "tenant.moved"])),
        ("lagEntries", json!(40)),
        ("lagMs", json!(61_000)),
        ("pending", json!(3)),
        ("failed", json!(1)),
        ("lastError", json!("webhook_unavailable")),
        ("nextAt", json!("2026-11-21T21:56:03.123Z")),
    ] {
        behind[name] = value;
    }
    json!({ "items": [behind, webhook("support-tool", "https://support.example/hooks/realmctl")] })
}

fn delivery(state: &str, error: Option<&str>) -> Value {
    json!({ "id": DELIVERY, "webhook": "billing", "seq": 4_711, "event": "tenant.moved", "tenant": "acme", "state": state, "attempts": 3,
            "createdAt": ago(3), "nextAt": null, "httpStatus": 410, "error": error, "finishedAt": null })
}

/// One that was given up.
pub(crate) fn deliveries() -> Value {
    page(&[delivery("failed", Some("webhook_gone"))])
}

/// The same, to be sent again.
pub(crate) fn replayed_delivery() -> Value {
    json!({ "replayed": true, "delivery": delivery("pending", None) })
}
