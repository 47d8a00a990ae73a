//! Stored times as programs and people read them, in UTC.

use store::Millis;

/// RFC 3339 in UTC with milliseconds.
pub fn rfc3339(at: Millis) -> String {
    jiff::Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), |at| format!("{at:.3}"))
}

/// For sentences: `2026-11-21 21:55:03 UTC`.
pub fn utc(at: Millis) -> String {
    let words = |at: jiff::Timestamp| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    jiff::Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), words)
}
