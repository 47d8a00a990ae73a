//! The types of the document: their fields, and an example of each answer.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::samples::{laid_out, reference, sample, schemas};
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
        write!(page, "\n### {name}\n{}\n", wrapped(&sentence(&joined(text(schema, "description")))))
            .expect("a String takes everything");
        page.push_str(&fields(schema));
        if is_answer(schema) && schema.get("oneOf").is_none() {
            let example = sample(document, schema, "", 0);
            write!(page, "\n```json\n{}\n```\n", laid_out(&example)).expect("a String takes everything");
        }
    }
    page
}

/// Requests are read strictly; names are no documents.
fn is_answer(schema: &Value) -> bool {
    schema.get("additionalProperties").is_none() && schema.get("enum").is_none()
}

fn sentence(text: &str) -> String {
    if text.is_empty() || text.ends_with('.') { text.to_owned() } else { format!("{text}.") }
}

/// As prose in documents is wrapped.
const COLUMNS: usize = 110;

fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is one from the start");
        if line.is_empty() {
            word.clone_into(line);
        } else if line.chars().count() + 1 + word.chars().count() <= COLUMNS {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.join("\n")
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
