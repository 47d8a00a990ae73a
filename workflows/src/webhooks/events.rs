//! Which entries of the audit trail are events, and what is told of them: ids, names and codes. No reason, no person and no data of a
//! tenant leaves the catalogue this way.

use catalogue::audit::AuditEntry;
use serde::Serialize;
use serde_json::Value;

use crate::timestamps::rfc3339;

/// An event as it is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// The same however often it is sent.
    pub id: String,
    /// What happened.
    #[serde(rename = "type")]
    pub event: &'static str,
    /// The number of the entry of the audit trail: later events of a webhook have higher ones.
    pub seq: i64,
    /// When it happened.
    pub at: String,
    /// To which tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The tenant's epoch, which grows with each change of its place or status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<i64>,
    /// The move.
    #[serde(rename = "move", skip_serializing_if = "Option::is_none")]
    pub of_move: Option<String>,
    /// The removal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removal: Option<String>,
    /// The service whose data was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Where it was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The realm before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The realm after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The state after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The code of the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// When a scheduled move starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<String>,
}

/// The events that an entry stands for, in their order; most entries are none. They have no id yet.
pub fn of_entry(seq: i64, entry: &AuditEntry) -> Vec<Event> {
    let (before, after) = (&entry.before, &entry.after);
    let all = match entry.action.as_str() {
        "tenant.create" => {
            vec![Event { to: text(after, "realm"), state: text(after, "status"), ..of_tenant("tenant.created", after) }]
        }
        "tenant.provisioned" => vec![of_tenant("tenant.ready", after)],
        "tenant.undone" => vec![Event { code: text(after, "code"), ..of_tenant("tenant.gone", after) }],
        "tenant.offline" => vec![Event { of_move: text(after, "move"), ..of_tenant("tenant.offline", after) }],
        "tenant.re_online" => back_online(before, after),
        "move.start" => vec![started(before, after)],
        "move.reschedule" => vec![Event { starts_at: time(after, "at"), ..of_move("move.rescheduled", after) }],
        "move.commit" => {
            let (from, to) = (text(before, "realm"), text(after, "realm"));
            let of = |event| Event {
                from: from.clone(),
                to: to.clone(),
                epoch: int(after, "epoch"),
                ..of_move(event, after)
            };
            vec![Event { state: Some("online".to_owned()), ..of("tenant.moved") }, of("move.completed")]
        }
        "move.cancel" => vec![Event { state: text(after, "state"), ..of_move("move.cancelled", after) }],
        "move.failed" => {
            vec![Event { state: text(after, "state"), code: text(after, "code"), ..of_move("move.failed", after) }]
        }
        "ledger.absent" => vec![Event {
            removal: text(after, "workflow"),
            state: Some("done".to_owned()),
            ..of_removal("removal.completed", after)
        }],
        "removal.failed" => vec![of_removal("removal.failed", after)],
        "removal.replay" => vec![of_removal("removal.replayed", after)],
        _ => Vec::new(),
    };
    let whole = |event: Event| Event { seq, at: rfc3339(entry.at), tenant: entry.tenant.clone(), ..event };
    all.into_iter().map(whole).collect()
}

fn of_tenant(event: &'static str, after: &Value) -> Event {
    Event { event, epoch: int(after, "epoch"), state: text(after, "status"), ..Event::default() }
}

fn of_move(event: &'static str, after: &Value) -> Event {
    Event { event, of_move: text(after, "move"), ..Event::default() }
}

fn of_removal(event: &'static str, after: &Value) -> Event {
    let [removal, service, location, state, code] =
        ["removal", "service", "location", "state", "code"].map(|name| text(after, name));
    Event { event, removal, service, location, state, code, ..Event::default() }
}

/// A move that a person cancelled has an entry of its own, which follows this one.
fn back_online(before: &Value, after: &Value) -> Vec<Event> {
    let (moved, code) = (text(before, "move"), text(after, "code"));
    let online = Event { of_move: moved.clone(), code: code.clone(), ..of_tenant("tenant.online", after) };
    if code.as_deref() == Some("cancelled") {
        return vec![online];
    }
    let state = Some("rolled_back".to_owned());
    vec![online, Event { event: "move.rolled_back", of_move: moved, code, state, ..Event::default() }]
}

/// One that was given a time or a window may start later.
fn started(before: &Value, after: &Value) -> Event {
    let given = |name: &str| after.get(name).is_some_and(|value| !value.is_null());
    let event = if given("at") || given("window") { "move.scheduled" } else { "move.started" };
    Event { from: text(before, "realm"), to: text(after, "to"), starts_at: time(after, "at"), ..of_move(event, after) }
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().map(str::to_owned)
}

fn int(value: &Value, name: &str) -> Option<i64> {
    value.get(name)?.as_i64()
}

/// A time, which entries have in milliseconds or as text.
fn time(value: &Value, name: &str) -> Option<String> {
    int(value, name).map(rfc3339).or_else(|| text(value, name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::webhook_settings::EVENTS;

    fn entry(action: &str, before: Value, after: Value) -> AuditEntry {
        AuditEntry {
            id: "id".to_owned(),
            at: 0,
            who: "sam".to_owned(),
            origin: "10.0.0.1".to_owned(),
            action: action.to_owned(),
            tenant: Some("acme".to_owned()),
            why: "a secret reason".to_owned(),
            before,
            after,
        }
    }

    fn types(action: &str, before: Value, after: Value) -> Vec<&'static str> {
        of_entry(7, &entry(action, before, after)).into_iter().map(|event| event.event).collect()
    }

    #[test]
    fn entries_are_told_as_events_and_others_are_not() {
        let nothing = || json!(null);
        let all = [
            types("tenant.create", nothing(), nothing()),
            types("tenant.provisioned", nothing(), nothing()),
            types("tenant.undone", nothing(), nothing()),
            types("tenant.offline", nothing(), nothing()),
            types("tenant.re_online", nothing(), json!({ "code": "throttled" })),
            types("move.commit", nothing(), nothing()),
            types("move.start", nothing(), json!({ "at": 1000 })),
            types("move.start", nothing(), json!({ "at": null, "window": null })),
            types("move.reschedule", nothing(), nothing()),
            types("move.failed", nothing(), nothing()),
            types("move.cancel", nothing(), nothing()),
            types("ledger.absent", nothing(), nothing()),
            types("removal.failed", nothing(), nothing()),
            types("removal.replay", nothing(), nothing()),
        ];
        let mut all: Vec<&str> = all.into_iter().flatten().collect();
        let mut known = EVENTS.to_vec();
        all.sort_unstable();
        known.sort_unstable();
        assert_eq!(all, known, "each type is told, and none that has no name");
        for action in ["limit.set", "token.create", "ledger.adding", "removal.recheck", "request.refused", ""] {
            assert!(types(action, nothing(), nothing()).is_empty(), "{action}");
        }
    }

    #[test]
    fn a_cancel_is_told_once_and_the_tenant_is_online_by_it() {
        let back = json!({ "status": "online", "epoch": 4, "code": "cancelled" });
        assert_eq!(types("tenant.re_online", json!({ "move": "m" }), back), ["tenant.online"]);
    }

    #[test]
    fn what_is_told_has_no_reason_and_names_nobody() {
        let after = json!({ "realm": "eu", "epoch": 5, "move": "m-1", "planHash": "h" });
        let [moved, completed]: [Event; 2] =
            of_entry(7, &entry("move.commit", json!({ "realm": "us" }), after)).try_into().expect("two events");
        let wanted = json!({
            "id": "", "type": "tenant.moved", "seq": 7, "at": "1970-01-01T00:00:00.000Z", "tenant": "acme", "epoch": 5, "move": "m-1",
            "from": "us", "to": "eu", "state": "online",
        });
        assert_eq!(serde_json::to_value(moved).expect("JSON"), wanted);
        assert_eq!((completed.event, completed.of_move.as_deref()), ("move.completed", Some("m-1")));
    }
}
