//! A form of a value that is the same bytes for the same meaning, and its hash.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

/// BLAKE3 in hex over the canonical JSON of `value`.
pub(super) fn hash(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).expect("names are strings and numbers are JSON's, so it always serialises");
    let mut text = String::new();
    write(&value, &mut text);
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

/// Sorts keys itself: whether `serde_json` keeps them sorted depends on a feature that any other crate can switch on.
fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (position, (key, entry)) in entries.into_iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                scalar(&Value::String(key.clone()), out);
                out.push(':');
                write(entry, out);
            }
            out.push('}');
        }
        Value::Array(list) => {
            out.push('[');
            for (position, entry) in list.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                write(entry, out);
            }
            out.push(']');
        }
        other => scalar(other, out),
    }
}

fn scalar(value: &Value, out: &mut String) {
    write!(out, "{value}").expect("writing to a string does not fail");
}
