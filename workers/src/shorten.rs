//! Keys in messages.

/// Longer keys are cut, in characters.
const LONGEST_KEY: usize = 120;

/// A key as it is, or its beginning.
pub(crate) fn shorten(key: &str) -> String {
    if key.chars().nth(LONGEST_KEY).is_none() {
        return key.escape_debug().to_string();
    }
    let cut: String = key.chars().take(LONGEST_KEY).collect();
    format!("{}…", cut.escape_debug())
}
