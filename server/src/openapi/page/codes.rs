//! The codes of problems that an operation has of its own, beside those that any request may meet.

use workflows::error_codes;

/// By the operation's name. Those of every request, and of every body, are told in the introduction.
const OWN: &[(&str, &[&str])] = &[
    ("apply_topology", &["consequences_not_accepted", "topology_refused"]),
    (
        "rename_endpoint",
        &[
            "address_invalid",
            "another_store",
            "no_topology",
            "store_not_asked",
            "table_id_missing",
            "topology_changed",
            "unknown_region",
        ],
    ),
    ("get_topology", &["no_topology"]),
    ("list_tenants", &["invalid_cursor", "invalid_limit"]),
    (
        "create_tenant",
        &[
            "creation_being_undone",
            "host_taken",
            "invalid_host",
            "invalid_realm",
            "invalid_tenant_id",
            "no_location",
            "no_shard",
            "no_topology",
            "tenant_exists",
            "unknown_realm",
        ],
    ),
    ("get_tenant", &["unknown_tenant"]),
    (
        "start_move",
        &[
            "invalid_budget",
            "invalid_time",
            "invalid_window",
            "move_in_progress",
            "no_live_location",
            "no_location",
            "no_shard",
            "no_topology",
            "not_adopted",
            "nothing_to_do",
            "tenant_changed",
            "tenant_not_online",
            "time_has_passed",
            "unknown_realm",
            "unknown_service",
            "unknown_tenant",
        ],
    ),
    ("pause_tenant", &["tenant_offline", "unknown_tenant"]),
    ("resume_tenant", &["unknown_tenant"]),
    ("list_moves", &["invalid_cursor", "invalid_limit", "unknown_state"]),
    ("get_move", &["unknown_move"]),
    ("get_move_events", &["invalid_last_event_id", "too_many_streams", "unknown_move"]),
    ("cancel_move", &["already_committed", "move_ended", "unknown_move"]),
    ("pause_move", &["move_ended", "tenant_offline", "unknown_move"]),
    ("resume_move", &["move_ended", "unknown_move"]),
    ("retry_move", &["move_ended", "paused", "scheduled", "unknown_move"]),
    (
        "reschedule_move",
        &[
            "invalid_time",
            "invalid_window",
            "move_ended",
            "move_has_begun",
            "outside_window",
            "time_has_passed",
            "unknown_move",
        ],
    ),
    ("list_campaigns", &["invalid_cursor", "invalid_limit", "unknown_state"]),
    (
        "create_campaign",
        &[
            "invalid_budget",
            "invalid_max_failures",
            "invalid_pause",
            "invalid_tenants",
            "invalid_wave",
            "invalid_window",
            "no_topology",
            "nothing_to_do",
            "tenant_not_online",
            "unknown_realm",
            "unknown_tenant",
        ],
    ),
    ("get_campaign", &["unknown_campaign"]),
    ("list_campaign_members", &["invalid_cursor", "invalid_limit", "unknown_campaign", "unknown_state"]),
    ("pause_campaign", &["campaign_ended", "unknown_campaign"]),
    ("resume_campaign", &["campaign_ended", "unknown_campaign"]),
    ("cancel_campaign", &["campaign_ended", "unknown_campaign"]),
    ("list_removals", &["invalid_cursor", "invalid_limit", "unknown_state"]),
    ("get_removal", &["unknown_removal"]),
    ("list_late_writes", &["unknown_removal"]),
    ("replay_removal", &["hash_invalid", "other_late_writes", "table_not_found_there", "unknown_removal"]),
    ("pause_removal", &["removal_ended", "unknown_removal"]),
    ("resume_removal", &["removal_ended", "unknown_removal"]),
    ("retry_removal", &["paused", "removal_ended", "unknown_removal"]),
    ("set_limit", &["invalid_limit", "unknown_scope"]),
    ("unset_limit", &["unknown_limit"]),
    ("explain", &["unknown_id"]),
    ("list_audit_entries", &["invalid_cursor", "invalid_limit"]),
    ("get_ids", &["invalid_id"]),
    ("list_approvals", &["invalid_cursor", "invalid_limit", "unknown_state"]),
    ("get_approval", &["unknown_approval"]),
    (
        "approve_request",
        &[
            "approval_expired",
            "approval_not_pending",
            "approval_other_content",
            "approval_own",
            "approval_requester_gone",
            "plan_changed",
            "unknown_approval",
        ],
    ),
    ("decline_request", &["approval_not_pending", "unknown_approval"]),
    ("set_approval_policy", &["invalid_policy"]),
    ("list_webhook_deliveries", &["invalid_cursor", "invalid_limit", "unknown_state"]),
    ("replay_webhook_delivery", &["unknown_delivery"]),
    ("end_own_session", &["no_session"]),
    ("list_sessions", &["invalid_cursor", "invalid_limit"]),
    ("end_sessions", &["unknown_session"]),
    ("list_tokens", &["invalid_cursor", "invalid_limit", "unknown_state"]),
    (
        "create_token",
        &[
            "answer_not_kept",
            "invalid_expiry",
            "invalid_scope",
            "invalid_token_name",
            "no_randomness",
            "no_token_key",
            "token_name_taken",
            "unknown_realm",
        ],
    ),
    ("revoke_token", &["unknown_token"]),
];

/// The codes of this operation.
pub(super) fn of(operation: &str) -> &'static [&'static str] {
    OWN.iter().find(|(named, _)| *named == operation).map_or(&[], |(_, codes)| codes)
}

#[test]
fn codes_are_known_and_of_operations_that_there_are() {
    let operations: Vec<String> = crate::permissions::TABLE.iter().map(super::super::names::operation).collect();
    for (operation, codes) in OWN {
        assert!(operations.iter().any(|known| known == operation), "there is no operation {operation}");
        assert!(codes.is_sorted(), "{operation}");
        for code in *codes {
            let known = error_codes::find_all(code);
            assert!(
                known.iter().any(|row| row.place.contains("request")),
                "{code} of {operation} is no code of requests"
            );
        }
    }
}
