//! What operations are called: verb first, as generated clients name their functions. A name is part of the contract.

use axum::http::Method;

use crate::permissions::Rule;

/// `create_tenant` for `POST /v1/tenants`.
pub(super) fn operation(rule: &Rule) -> String {
    let parts: Vec<&str> = rule.path.split('/').skip(2).filter(|part| *part != "{id}").collect();
    let about_one = rule.path.contains("{id}");
    let of = |what: &str| what.replace('-', "_");
    if let Some((_, name)) = IRREGULAR.iter().find(|(route, _)| *route == format!("{} {}", rule.method, rule.path)) {
        return (*name).to_owned();
    }
    match (&rule.method, parts.as_slice()) {
        (&Method::GET, [list]) if !about_one && list.ends_with('s') => format!("list_{}", of(list)),
        (&Method::GET, [kind]) => format!("get_{}", of(one(kind))),
        (&Method::GET, [kind, what]) => format!("get_{}_{}", one(kind), of(what)),
        (&Method::POST, [kind]) => format!("create_{}", one(kind)),
        (&Method::POST, [kind, verb]) => format!("{}_{}", of(verb), one(kind)),
        (method, parts) => format!("{}_{}", method.as_str().to_lowercase(), of(&parts.join("_"))),
    }
}

/// What the rule above would call otherwise than people do.
const IRREGULAR: [(&str, &str); 24] = [
    ("PUT /v1/topology", "apply_topology"),
    ("POST /v1/topology/rename-endpoint", "rename_endpoint"),
    ("POST /v1/tenants/{id}/moves", "start_move"),
    ("GET /v1/campaigns/{id}/members", "list_campaign_members"),
    ("GET /v1/removals/{id}/late-writes", "list_late_writes"),
    ("POST /v1/removals/replay", "replay_failed_removals"),
    ("POST /v1/pause", "pause_all"),
    ("POST /v1/resume", "resume_all"),
    ("PUT /v1/limits", "set_limit"),
    ("DELETE /v1/limits", "unset_limit"),
    ("GET /v1/explain/{id}", "explain"),
    ("GET /v1/audit", "list_audit_entries"),
    ("GET /v1/audit/export", "export_audit_trail"),
    ("GET /v1/status", "get_status"),
    ("POST /v1/approvals/{id}/approve", "approve_request"),
    ("POST /v1/approvals/{id}/decline", "decline_request"),
    ("PUT /v1/approval-policy", "set_approval_policy"),
    ("GET /v1/webhooks/deliveries", "list_webhook_deliveries"),
    ("POST /v1/webhooks/deliveries/{id}/replay", "replay_webhook_delivery"),
    ("GET /v1/session", "get_own_session"),
    ("DELETE /v1/session", "end_own_session"),
    ("GET /v1/sessions", "list_sessions"),
    ("DELETE /v1/sessions/{id}", "end_sessions"),
    ("DELETE /v1/tokens/{id}", "revoke_token"),
];

fn one(kind: &str) -> &str {
    if kind == "ids" { kind } else { kind.strip_suffix('s').unwrap_or(kind) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::permissions::TABLE;

    #[test]
    fn operations_have_names_of_their_own() {
        let names: Vec<String> = TABLE.iter().map(operation).collect();
        for name in
            ["create_tenant", "get_tenant", "list_moves", "start_move", "cancel_move", "get_move_events", "get_ids"]
        {
            assert!(names.iter().any(|known| known == name), "{name}: {names:?}");
        }
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
        for (route, _) in IRREGULAR {
            let known = TABLE.iter().any(|rule| route == format!("{} {}", rule.method, rule.path));
            assert!(known, "there is no {route} any more");
        }
    }
}
