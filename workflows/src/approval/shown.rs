//! What is asked for, as people read it.

use serde_json::Value;

use super::content::Content;
use crate::campaign::Tenants;
use crate::timestamps::{rfc3339, utc};

/// Names of fields that hold times, if they are numbers.
const TIMES: [&str; 5] = ["at", "from", "to", "createdAt", "expiresAt"];

/// Names of fields that are nobody's business: of the hash of a token.
const HASHES: [&str; 2] = ["hash", "hashKey"];

/// In a sentence.
pub(super) fn summary(content: &Content) -> String {
    match content {
        Content::Move { request, .. } => {
            let at = request.when.at.map(|at| format!(" at {}", utc(at))).unwrap_or_default();
            let window =
                request.when.window.map(|window| format!(" between {} and {}", utc(window.from), utc(window.to)));
            format!("move tenant {} to {}{at}{}", request.tenant, request.to, window.unwrap_or_default())
        }
        Content::Campaign { request } => match &request.tenants {
            Tenants::Listed(listed) => format!("move {} tenants to {}", listed.len(), request.to),
            Tenants::OfRealm { realm, limit } => {
                let limit = limit.map_or_else(|| "all".to_owned(), |limit| format!("up to {limit}"));
                format!("move {limit} tenants of realm {realm} to {}", request.to)
            }
        },
        Content::Replay { removal, accept_late_writes: Some(hash), .. } => {
            format!("replay removal {removal}, deleting late writes {hash}")
        }
        Content::Replay { removal, accept_table, .. } => {
            let table = accept_table.as_deref().unwrap_or_default();
            format!("replay removal {removal}, emptying table {table}")
        }
        Content::Topology(edit) => {
            let accepting = if edit.accept { ", with whatever it does besides" } else { "" };
            format!("apply a topology file of {} lines{accepting}", edit.yaml.lines().count())
        }
        Content::RenameEndpoint(rename) => {
            format!("reach {} of {} at {}", rename.kind.as_str(), rename.region, rename.address)
        }
        Content::Limit { scope, .. } => format!("limit data tasks of {scope} to 0"),
        Content::Token(row) => format!("create token {} with role {}", row.name(), row.role()),
        Content::Policy { policy, .. } => {
            let names: Vec<&str> = policy.actions.iter().map(|action| action.as_str()).collect();
            let names = if names.is_empty() { "no action".to_owned() } else { names.join(", ") };
            format!("ask for two people for {names}")
        }
    }
}

/// The content with times as people read them, and without hashes of secrets.
pub(super) fn readable(content: &Content) -> Value {
    let mut value = serde_json::to_value(content).expect("plain data with text keys");
    if matches!(content, Content::Token(_))
        && let Value::Object(fields) = &mut value
    {
        fields.retain(|name, _| !HASHES.contains(&name.as_str()));
    }
    with_times(&mut value);
    value
}

fn with_times(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                match field.as_i64() {
                    Some(at) if TIMES.contains(&name.as_str()) => *field = Value::String(rfc3339(at)),
                    _ => with_times(field),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(with_times),
        _ => {}
    }
}
