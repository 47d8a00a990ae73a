//! Stored times as people and programs read them: RFC 3339 in UTC.

use store::Millis;

/// RFC 3339 in UTC with milliseconds.
pub fn rfc3339(at: Millis) -> String {
    jiff::Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), |at| format!("{at:.3}"))
}
