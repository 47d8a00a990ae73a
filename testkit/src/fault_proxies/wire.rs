//! Requests and answers on the wire, taken apart no further than needed: what is not looked at stays the bytes it was.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// A JSON object whose members are left as they are.
pub(crate) type Raw<'a> = BTreeMap<String, &'a RawValue>;

/// Reads a member of an object.
pub(crate) fn member<'a, T: Deserialize<'a>>(object: &Raw<'a>, name: &str) -> Option<T> {
    serde_json::from_str(object.get(name)?.get()).ok()
}

/// The object with some members replaced (`Some`) or left out (`None`).
pub(crate) fn changed(object: &Raw<'_>, changes: &[(&str, Option<String>)]) -> Option<Vec<u8>> {
    let replaced: Vec<(&str, Option<Box<RawValue>>)> = changes
        .iter()
        .map(|(name, text)| Some((*name, text.clone().map(RawValue::from_string).transpose().ok()?)))
        .collect::<Option<_>>()?;
    let mut all: BTreeMap<&str, &RawValue> = object.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    for (name, value) in &replaced {
        match value {
            Some(value) => all.insert(name, value),
            None => all.remove(name),
        };
    }
    serde_json::to_vec(&all).ok()
}
