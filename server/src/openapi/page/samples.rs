//! What an answer may look like: made from its type, with values that go by the names of fields.

use serde_json::{Map, Value, json};

/// Nested deeper than this, an example tells nothing more.
const DEEPEST: u32 = 3;

/// What such a value may look like, with the fields that are always there.
pub(super) fn sample(document: &Value, schema: &Value, name: &str, depth: u32) -> Value {
    if let Some(known) = schemas(document).and_then(|all| all.get(reference(schema)?)) {
        return sample(document, known, name, depth);
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let parts = parts.iter().filter_map(|part| sample(document, part, name, depth).as_object().cloned());
        return Value::Object(parts.flatten().collect());
    }
    for key in ["oneOf", "anyOf"] {
        if let Some(first) = schema[key].as_array().and_then(|forms| forms.first()) {
            return sample(document, first, name, depth);
        }
    }
    if let Some(first) = schema["enum"].as_array().and_then(|names| names.first()) {
        return first.clone();
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.first().and_then(Value::as_str),
        kind => kind.as_str(),
    };
    match kind {
        Some("object") => {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let fields = required
                .filter(|_| depth < DEEPEST)
                .map(|field| (field.to_owned(), sample(document, &schema["properties"][field], field, depth + 1)));
            Value::Object(fields.collect())
        }
        Some("array") if depth >= DEEPEST => json!([]),
        Some("array") => json!([sample(document, &schema["items"], name, depth + 1)]),
        Some("integer" | "number") => number_of(name),
        Some("boolean") => json!(false),
        _ => json!(text_of(name)),
    }
}

fn number_of(name: &str) -> Value {
    match name {
        "status" => json!(404),
        "offlineMs" | "offlineHighMs" | "leastOfflineMs" | "offlineAllowedMs" => json!(105_000),
        "items" | "objects" | "total" => json!(20_000),
        "bytes" => json!(1_073_741_824),
        _ => json!(1),
    }
}

/// Texts by the names of their fields.
const TEXTS: [(&str, &str); 44] = [
    ("tenant", "acme"),
    ("id", "0199f3a1-7c00-7000-8000-000000000001"),
    ("host", "acme.example"),
    ("realm", "us"),
    ("from", "us"),
    ("to", "eu"),
    ("state", "scheduled"),
    ("status", "online"),
    ("service", "issue-service"),
    ("shard", "issues-us-east-1"),
    ("fromShard", "issues-us-east-1"),
    ("toShard", "issues-eu-west-1"),
    ("location", "us-east-1"),
    ("add", "eu-west-1"),
    ("keep", "us-east-1"),
    ("remove", "us-east-1"),
    ("locationKey", "dynamodb|us-east-1|issues"),
    ("code", "paused"),
    ("title", "unknown realm"),
    ("type", "urn:realmctl:problem:unknown_realm"),
    ("name", "sign-up"),
    ("role", "provisioner"),
    ("who", "kim"),
    ("createdBy", "ada"),
    ("appliedBy", "ada"),
    ("requestedBy", "kim"),
    ("setBy", "kim"),
    ("scope", "region:eu-west-1"),
    ("why", "contract 4711"),
    ("reason", "contract 4711"),
    ("action", "move.start"),
    ("origin", "127.0.0.1"),
    ("version", "0.1.0"),
    ("kind", "move"),
    ("priority", "normal"),
    ("mode", "full"),
    ("queuedBy", "0199f3a1-7c00-7000-8000-000000000001"),
    ("hash", "9f1c2a0b77aa51de"),
    ("planHash", "9f1c2a0b77aa51de"),
    ("digest", "9f1c2a0b77aa51de…"),
    ("secret", "rct_…"),
    ("lateWrites", "compared"),
    ("fromState", "scheduled"),
    ("toState", "preflight"),
];

fn text_of(name: &str) -> &'static str {
    let is_time = name == "at" || ["At", "Until", "since"].iter().any(|end| name.ends_with(end));
    match TEXTS.iter().find(|(of, _)| *of == name) {
        Some((_, text)) => text,
        None if is_time => "2026-11-21T21:55:03.123Z",
        None => "…",
    }
}

/// A field a line; what is in it in the same line.
pub(super) fn laid_out(value: &Value) -> String {
    let Value::Object(fields) = value else { return in_line(value) };
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("  \"{name}\": {}", in_line(value))).collect();
    format!("{{\n{}\n}}", fields.join(",\n"))
}

fn in_line(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("\"{name}\": {}", in_line(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(in_line).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

pub(super) fn schemas(document: &Value) -> Option<&Map<String, Value>> {
    document["components"]["schemas"].as_object()
}

pub(super) fn reference(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit('/').next()
}
