//! P10: golden files of what tasks store and later versions read (`workers/tests/golden`). A stored form may gain fields, and
//! never loses or renames one. The files are written by hand: a test that wrote them would agree with itself.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What a database in use holds, as this version reads it. Everything that is in the file is still written.
pub(crate) fn as_stored<T: Serialize + DeserializeOwned>(name: &str) -> T {
    let (golden, read) = open::<T>(name);
    let written = serde_json::to_value(&read).expect("a checkpoint is plain data with text keys");
    assert_eq!(missing(&golden, &written), None, "{name}: no longer written, and the version before reads it");
    read
}

/// What an older version stored, without fields that have come since.
pub(crate) fn as_stored_before<T: DeserializeOwned>(name: &str) -> T {
    open(name).1
}

fn open<T: DeserializeOwned>(name: &str) -> (Value, T) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.json"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let golden: Value = serde_json::from_str(&text).expect("a golden file is JSON");
    let read = serde_json::from_value(golden.clone()).unwrap_or_else(|error| panic!("{name} is not read: {error}"));
    (golden, read)
}

/// The first field of `golden` that `written` lacks or has otherwise.
fn missing(golden: &Value, written: &Value) -> Option<String> {
    match (golden, written) {
        (Value::Object(golden), Value::Object(written)) => golden.iter().find_map(|(name, value)| {
            let Some(other) = written.get(name) else { return Some(name.clone()) };
            missing(value, other).map(|path| format!("{name}.{path}"))
        }),
        _ => (golden != written).then(|| format!("{golden} became {written}")),
    }
}
