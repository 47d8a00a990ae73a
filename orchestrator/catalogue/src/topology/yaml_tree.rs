//! The file as a tree of values that know their line. Knows YAML and nothing about topologies.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Spanned};

use super::problem::Problem;

/// A value with the line where it stands.
pub(super) type Node = Spanned<Value>;

/// What a YAML node holds. Repeated keys of a map are all kept, so that every one can be reported.
#[derive(Debug)]
pub(super) enum Value {
    Null,
    Flag(bool),
    Whole(i128),
    Real(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Spanned<String>, Node)>),
}

/// Deeper nesting than any topology has, and shallow enough for the stack of a server's thread.
const DEPTH_MAX: usize = 48;
/// The longest file taken, in bytes.
const BYTES_MAX: usize = 4 << 20;

/// What all aliases of a file may stand for together, in events of the parser: some tens of thousands of values. A few lines of aliases
/// of aliases can stand for any number.
const ALIASED_MAX: usize = 50_000;

/// Reads one YAML document.
///
/// # Errors
/// The first place where the text is not YAML; after that nothing more can be said.
pub(super) fn parse(yaml: &str) -> Result<Node, Problem> {
    if yaml.len() > BYTES_MAX {
        return Err(Problem::new("", format!("the file is longer than {BYTES_MAX} bytes")));
    }
    // `NO` is a country, not a falsehood; and numbers with a leading zero or underscores are names.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: DEPTH_MAX },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: ALIASED_MAX },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
        // Another program's (`!Ref name`): what it would have put there is not known here.
        reject_unsupported_tags: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options::<Node>(yaml, options).map_err(|error| Problem {
        line: error.location().map(|at| at.line()).filter(|line| *line > 0),
        path: String::new(),
        reason: format!("this is not YAML: {}", in_words(without_place(&error.to_string()))),
    })
}

/// What the parser says to programmers, as people would.
fn in_words(message: &str) -> &str {
    match message {
        "expected string scalar" => "a key of a map is a list or a map, and must be text",
        "recursive references require weak recursion types" => "an alias (`*name`) stands inside of what it stands for",
        _ if message.starts_with("alias replay limit exceeded") => {
            "its aliases (`*name`) stand for more values than a topology may have"
        }
        _ if message.contains("Option<") => "a key of a map is null, and must be text: put it in quotes",
        _ => message,
    }
}

/// The parser's message ends in the place, which the problem says already.
fn without_place(message: &str) -> &str {
    let first = message.lines().next().unwrap_or(message);
    first.rfind(" at line ").map_or(first, |end| &first[..end]).trim_end_matches(':')
}

impl Value {
    /// What people call this kind of value.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Flag(_) => "true or false",
            Self::Whole(_) | Self::Real(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }

    /// The same value as JSON.
    pub(super) fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Flag(flag) => (*flag).into(),
            Self::Whole(number) => serde_json::Number::from_i128(*number)
                .map_or_else(|| serde_json::Value::String(number.to_string()), serde_json::Value::Number),
            Self::Real(number) => serde_json::Number::from_f64(*number).map_or(serde_json::Value::Null, Into::into),
            Self::Text(text) => text.clone().into(),
            Self::List(list) => list.iter().map(|node| node.value.to_json()).collect(),
            Self::Map(map) => map.iter().map(|(key, node)| (key.value.clone(), node.value.to_json())).collect(),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Whole(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Whole(number.into()))
    }

    fn visit_i128<E>(self, number: i128) -> Result<Value, E> {
        Ok(Value::Whole(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Real(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(entry) = entries.next_element()? {
            list.push(entry);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Value::Map(map))
    }
}
