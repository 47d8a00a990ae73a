//! The types of the document: their fields, and an example of each answer.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::text;

/// The chapter of types.
pub(super) fn all(document: &Value) -> String {
    let mut page = "\n## Types\nFields of a request that are not *required* may be left out or null. Fields of an answer that are not *always*\n\
                    there are absent or null where there is nothing to tell. Examples have the fields that are always there.\n"
        .to_owned();
    for (name, schema) in schemas(document).into_iter().flatten() {
        if name.starts_with("PageOf") {
            continue;
        }
        write!(page, "\n### {name}\n{}\n", sentence(&joined(text(schema, "description"))))
            .expect("a String takes everything");
        page.push_str(&fields(schema));
        if is_answer(schema) && schema.get("oneOf").is_none() {
            let example = example(document, schema, "", 0);
            write!(page, "\n```json\n{}\n```\n", laid_out(&example)).expect("a String takes everything");
        }
    }
    page
}

fn schemas(document: &Value) -> Option<&Map<String, Value>> {
    document["components"]["schemas"].as_object()
}

/// Requests are read strictly; names are no documents.
fn is_answer(schema: &Value) -> bool {
    schema.get("additionalProperties").is_none() && schema.get("enum").is_none()
}

fn sentence(text: &str) -> String {
    if text.is_empty() || text.ends_with('.') { text.to_owned() } else { format!("{text}.") }
}

/// A description in one line, as a table wants it.
pub(super) fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

fn fields(schema: &Value) -> String {
    let mut page = String::new();
    if let Some(names) = schema["enum"].as_array() {
        let names: Vec<String> = names.iter().map(|name| format!("`{}`", name.as_str().unwrap_or_default())).collect();
        writeln!(page, "\nOne of {}.", names.join(", ")).expect("a String takes everything");
    }
    if let Some(forms) = schema["oneOf"].as_array() {
        page.push_str("\nOne of:\n");
        for form in forms {
            writeln!(page, "- {}: {}", kind(form), joined(text(form, "description")))
                .expect("a String takes everything");
        }
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        match part["properties"].as_object() {
            Some(_) => page.push_str(&table(part, schema)),
            None => writeln!(page, "\nAll fields of {}, and:", kind(part)).expect("a String takes everything"),
        }
    }
    if schema["properties"].is_object() {
        page.push_str(&table(schema, schema));
    }
    page
}

fn table(schema: &Value, whole: &Value) -> String {
    let heading = if is_answer(whole) { "always" } else { "required" };
    let mut page = format!("\n| field | type | {heading} | meaning |\n| --- | --- | --- | --- |\n");
    let required = |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
    let properties = schema["properties"].as_object();
    let mut rows: Vec<_> = properties.into_iter().flatten().collect();
    rows.sort_by_key(|(name, _)| (!required(name), (*name).clone()));
    for (name, field) in rows {
        let yes = if required(name) { "yes" } else { "" };
        writeln!(page, "| `{name}` | {} | {yes} | {} |", kind(field), meaning(field))
            .expect("a String takes everything");
    }
    page
}

/// The description of a field, which may stand with one form of it.
pub(super) fn meaning(field: &Value) -> String {
    let own = text(field, "description");
    let first = |key: &str| field[key].as_array().and_then(|all| all.first()).map(|one| text(one, "description"));
    joined(if own.is_empty() { first("oneOf").unwrap_or_default() } else { own })
}

/// What kind of value it is, in words.
pub(super) fn kind(schema: &Value) -> String {
    if let Some(name) = reference(schema) {
        return match name.strip_prefix("PageOf") {
            Some(one) => format!("[page](#answers) of [{one}](#{})", one.to_lowercase()),
            None => format!("[{name}](#{})", name.to_lowercase()),
        };
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        if let Some(forms) = schema[key].as_array() {
            let mut forms: Vec<String> = forms.iter().map(kind).collect();
            forms.dedup();
            return forms.join(" or ");
        }
    }
    if let Some(names) = schema["enum"].as_array() {
        let names: Vec<&str> = names.iter().filter_map(Value::as_str).filter(|name| !name.is_empty()).collect();
        return match names.len() {
            0..=4 => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
            5..=20 => "one of [these](#states-and-codes)".to_owned(),
            _ => "text".to_owned(),
        };
    }
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        kind => vec![kind.as_str().unwrap_or("any")],
    };
    let word = |kind: &str| match kind {
        "string" if schema["format"] == "date-time" => "time".to_owned(),
        "string" => "text".to_owned(),
        "integer" => "whole number".to_owned(),
        "boolean" => "true or false".to_owned(),
        "array" => format!("list of {}", self::kind(&schema["items"])),
        "object" => match schema["properties"].as_object() {
            Some(fields) => {
                let fields: Vec<String> = fields.keys().map(|name| format!("`{name}`")).collect();
                format!("object with {}", fields.join(", "))
            }
            None => "object".to_owned(),
        },
        other => other.to_owned(),
    };
    kinds.into_iter().map(word).collect::<Vec<_>>().join(" or ")
}

fn reference(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit('/').next()
}

/// Nested deeper than this, an example tells nothing more.
const DEEPEST: u32 = 3;

/// What such a value may look like, with the fields that are always there.
fn example(document: &Value, schema: &Value, name: &str, depth: u32) -> Value {
    if let Some(known) = schemas(document).and_then(|all| all.get(reference(schema)?)) {
        return example(document, known, name, depth);
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let parts = parts.iter().filter_map(|part| example(document, part, name, depth).as_object().cloned());
        return Value::Object(parts.flatten().collect());
    }
    for key in ["oneOf", "anyOf"] {
        if let Some(first) = schema[key].as_array().and_then(|forms| forms.first()) {
            return example(document, first, name, depth);
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
                .map(|field| (field.to_owned(), example(document, &schema["properties"][field], field, depth + 1)));
            Value::Object(fields.collect())
        }
        Some("array") if depth >= DEEPEST => json!([]),
        Some("array") => json!([example(document, &schema["items"], name, depth + 1)]),
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
fn laid_out(value: &Value) -> String {
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

#[test]
fn every_field_has_a_meaning() {
    let document: Value = serde_json::from_str(super::DOCUMENT.as_str()).expect("JSON");
    let mut without = Vec::new();
    for (name, schema) in schemas(&document).into_iter().flatten() {
        for (field, described) in schema["properties"].as_object().into_iter().flatten() {
            if meaning(described).is_empty() {
                without.push(format!("{name}.{field}"));
            }
        }
    }
    for operation in document["paths"].as_object().into_iter().flat_map(Map::values).filter_map(Value::as_object) {
        for operation in operation.values() {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let silent = parameters.filter(|parameter| text(parameter, "description").is_empty());
            without.extend(silent.map(|parameter| format!("{}: {}", operation["operationId"], parameter["name"])));
        }
    }
    assert!(without.is_empty(), "{without:?}");
}
