//! An example of each request, as curl sends it.

use serde_json::Value;

use crate::api::{
    Approve, LimitSet, LimitUnset, NewCampaign, NewMove, NewTenant, NewToken, RenameEndpoint, Replay, Reschedule,
    SetApprovalPolicy,
};
use crate::permissions::Rule;

/// Bodies by their type; `{"reason": …}` where nothing else is asked for.
const BODIES: [(&str, &str); 11] = [
    ("NewTenant", r#"{"id": "acme", "host": "acme.example", "realm": "us", "reason": "sign-up 7f3c"}"#),
    ("NewMove", r#"{"to": "eu", "budget": "20m", "reason": "contract 4711"}"#),
    ("Reschedule", r#"{"at": "2027-01-31T02:00:00Z", "reason": "after the release"}"#),
    ("NewCampaign", r#"{"to": "eu", "tenants": ["acme", "globex"], "waveSize": 5, "reason": "contract 4711"}"#),
    ("RenameEndpoint", r#"{"region": "us-east-1", "kind": "dynamodb", "address": "https://tables.example:8000"}"#),
    ("LimitSet", r#"{"scope": "region:eu-west-1", "slots": 20, "reason": "throttled"}"#),
    ("LimitUnset", r#"{"scope": "region:eu-west-1"}"#),
    ("NewToken", r#"{"name": "sign-up", "role": "provisioner", "scope": {"realm": "eu"}}"#),
    ("Approve", r#"{"hash": "9f86d081884c7d659a2feaa0c55ad015", "reason": "checked with legal"}"#),
    ("SetApprovalPolicy", r#"{"actions": ["move", "topology"], "validFor": "4h"}"#),
    ("Replay", r#"{"reason": "the bucket is back"}"#),
];

const REASON: &str = r#"{"reason": "ticket 4711"}"#;
const ID: &str = "0199f3a1-7c00-7000-8000-000000000001";

/// The request in a block.
pub(super) fn request(rule: &Rule, operation: &Value) -> String {
    let id = match rule.path.split('/').nth(2) {
        Some("tenants" | "explain") => "acme",
        Some("ids") => "0199f3a1",
        Some("tokens") => "sign-up",
        Some("sessions") => "kim@example.com",
        _ => ID,
    };
    let mut lines = vec![format!("curl --fail-with-body \"$REALMCTL_SERVER{}\"", rule.path.replace("{id}", id))];
    if !["GET", "POST"].contains(&rule.method.as_str()) {
        lines.push(format!("-X {}", rule.method));
    }
    lines.push("-H \"Authorization: Bearer $REALMCTL_TOKEN\"".to_owned());
    if let Some(content) = operation["requestBody"]["content"].as_object() {
        let (media, body) = body(content);
        lines.push(format!("-H \"Content-Type: {media}\""));
        let takes_key = |one: &Value| one["name"] == crate::api::IDEMPOTENCY_HEADER;
        if operation["parameters"].as_array().is_some_and(|all| all.iter().any(takes_key)) {
            lines.push(format!("-H \"{}: 7f3c\"", crate::api::IDEMPOTENCY_HEADER));
        }
        lines.push(body);
    }
    format!("\n```sh\n{}\n```\n", lines.join(" \\\n    "))
}

fn body(content: &serde_json::Map<String, Value>) -> (&'static str, String) {
    let named = content.get("application/json").and_then(|json| json["schema"]["$ref"].as_str());
    let Some(named) = named.and_then(|path| path.rsplit('/').next()) else {
        return ("application/yaml", "--data-binary @topology.yaml".to_owned());
    };
    let body = BODIES.iter().find(|(name, _)| *name == named).map_or(REASON, |(_, body)| *body);
    ("application/json", format!("-d '{body}'"))
}

#[test]
fn examples_are_what_the_server_reads() {
    fn read<T: serde::de::DeserializeOwned>(name: &str) {
        let (_, body) = BODIES.iter().find(|(of, _)| *of == name).expect(name);
        serde_json::from_str::<T>(body).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    read::<NewTenant>("NewTenant");
    read::<NewMove>("NewMove");
    read::<Reschedule>("Reschedule");
    read::<NewCampaign>("NewCampaign");
    read::<RenameEndpoint>("RenameEndpoint");
    read::<LimitSet>("LimitSet");
    read::<LimitUnset>("LimitUnset");
    read::<NewToken>("NewToken");
    read::<Replay>("Replay");
    read::<Approve>("Approve");
    read::<SetApprovalPolicy>("SetApprovalPolicy");
}
