//! What is wrong with a body or a query, in words that say where and what is expected, and not in those of a parser.

/// `message` of the parser about the value at `path`, where `.` is the whole.
pub(crate) fn problem(path: &str, message: &str) -> String {
    let message = message.rfind(" at line ").map_or(message, |end| &message[..end]);
    let quoted = |rest: &str| rest.split('`').nth(1).unwrap_or(rest).to_owned();
    if message.starts_with("unknown field ") {
        return unknown_field(path, message);
    }
    if message.starts_with("missing field ") {
        return format!("{} is missing", joined(path, &quoted(message)));
    }
    if message.starts_with("duplicate field ") {
        return format!("{} is given more than once", joined(path, &quoted(message)));
    }
    let what = if matches!(path, "" | ".") { "the body".to_owned() } else { format!("`{path}`") };
    if let Some(rest) = message.strip_prefix("unknown variant ")
        && let Some((found, known)) = rest.split_once(", expected ")
    {
        let known = known.trim_start_matches("one of ");
        return format!("{what} is {found}; it must be one of {known}");
    }
    let wrong = ["invalid type: ", "invalid value: ", "invalid length "];
    if let Some(rest) = wrong.iter().find_map(|start| message.strip_prefix(start))
        && let Some((found, expected)) = rest.rsplit_once(", expected ")
    {
        let too_large = message.starts_with("invalid value: integer ") && !found.contains('-');
        if too_large && is_whole(expected) {
            return format!("{what} is too large a number");
        }
        return format!("{what} must be {}, not {}", kind(expected), value(found));
    }
    match message {
        "invalid digit found in string" | "cannot parse integer from empty string" => {
            format!("{what} must be a whole number")
        }
        "number too large to fit in target type" => format!("{what} is too large a number"),
        "provided string was not `true` or `false`" => format!("{what} must be true or false"),
        // Our own words, which begin with the field.
        _ if message.starts_with(path) => message.to_owned(),
        _ => format!("{what}: {message}"),
    }
}

fn unknown_field(path: &str, message: &str) -> String {
    let mut names = message.split('`').skip(1).step_by(2);
    let unknown = names.next().unwrap_or_default();
    // The path of an unknown field ends with the field itself.
    let inside = path.strip_suffix(unknown).map_or(path, |before| before.trim_end_matches('.'));
    let known: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    let known = match known.as_slice() {
        [] => "there are none".to_owned(),
        [one] => format!("there is {one}"),
        several => format!("there are {}", several.join(", ")),
    };
    format!("{} is no field; {known}", joined(inside, unknown))
}

fn joined(path: &str, field: &str) -> String {
    if matches!(path, "" | ".") { format!("`{field}`") } else { format!("`{path}.{field}`") }
}

fn is_whole(expected: &str) -> bool {
    ["u8", "u16", "u32", "u64", "usize", "i8", "i16", "i32", "i64", "isize"].contains(&expected)
}

/// What a parser expects, as people call it.
fn kind(expected: &str) -> String {
    match expected {
        _ if is_whole(expected) && expected.starts_with('u') => "a whole number that is not negative".to_owned(),
        _ if is_whole(expected) => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a string" | "a borrowed string" => "text".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "an object".to_owned(),
        "unit" => "null".to_owned(),
        _ if expected.starts_with("struct ") => "an object".to_owned(),
        _ => expected.to_owned(),
    }
}

/// What a parser found, as people call it.
fn value(found: &str) -> String {
    match found {
        "sequence" => "a list".to_owned(),
        "map" => "an object".to_owned(),
        "null" | "unit value" => "null".to_owned(),
        _ => {
            let quoted = |start: &str| found.strip_prefix(start).map(|rest| rest.trim_matches('`'));
            let number = quoted("integer ").or_else(|| quoted("floating point ")).or_else(|| quoted("boolean "));
            number.unwrap_or_else(|| found.strip_prefix("string ").unwrap_or(found)).to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde::de::DeserializeOwned;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    #[expect(dead_code, reason = "only read")]
    struct Outer {
        name: Option<String>,
        count: Option<u32>,
        flag: Option<bool>,
        inner: Option<Inner>,
        list: Option<Vec<String>>,
        colour: Option<Colour>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Inner {
        id: i64,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase")]
    enum Colour {
        Red,
        Blue,
    }

    fn said<T: DeserializeOwned + std::fmt::Debug>(text: &str) -> String {
        let error =
            serde_path_to_error::deserialize::<_, T>(&mut serde_json::Deserializer::from_str(text)).unwrap_err();
        problem(&error.path().to_string(), &error.inner().to_string())
    }

    #[test]
    fn each_kind_of_mistake_is_told_in_plain_words() {
        for (text, expected) in [
            (r#"{"name": 5}"#, "`name` must be text, not 5"),
            (r#"{"name": {}}"#, "`name` must be text, not an object"),
            (r#"{"count": -1}"#, "`count` must be a whole number that is not negative, not -1"),
            (r#"{"count": "5"}"#, "`count` must be a whole number that is not negative, not \"5\""),
            (r#"{"count": 1.5}"#, "`count` must be a whole number that is not negative, not 1.5"),
            (r#"{"count": 18446744073709551615}"#, "`count` is too large a number"),
            (r#"{"flag": "yes"}"#, "`flag` must be true or false, not \"yes\""),
            (r#"{"inner": 5}"#, "`inner` must be an object, not 5"),
            (r#"{"inner": {}}"#, "`inner.id` is missing"),
            (r#"{"inner": {"id": null}}"#, "`inner.id` must be a whole number, not null"),
            (r#"{"inner": {"id": 1, "x": 2}}"#, "`inner.x` is no field; there is `id`"),
            (r#"{"inner": {"id": 1, "id": 2}}"#, "`inner.id` is given more than once"),
            (r#"{"list": ["a", ["b"]]}"#, "`list[1]` must be text, not a list"),
            (r#"{"list": "a, expected b"}"#, "`list` must be a list, not \"a, expected b\""),
            (r#"{"colour": "green"}"#, "`colour` is `green`; it must be one of `red` or `blue`"),
            (r#"{"name": "a", "name": "b"}"#, "`name` is given more than once"),
            (r#"{"nam": "a"}"#, "`nam` is no field; there are `name`, `count`, `flag`, `inner`, `list`, `colour`"),
            ("5", "the body must be an object, not 5"),
        ] {
            assert_eq!(said::<Outer>(text), expected, "{text}");
        }
    }
}
