//! What to say when a target does not hold exactly what the source holds.

use std::fmt;

use crate::error::WorkError;
use crate::progress::Tally;

/// How many keys a report names.
pub(crate) const MOST_NAMED: usize = 10;
/// Longer keys are cut, in characters.
const LONGEST_KEY: usize = 120;

/// One key in which a target differs from its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// The target lacks it.
    Missing(String),
    /// Only the target has it.
    Extra(String),
    /// Both have it, with different contents.
    Different(String),
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(key) => write!(f, "missing {key}"),
            Self::Extra(key) => write!(f, "extra {key}"),
            Self::Different(key) => write!(f, "different {key}"),
        }
    }
}

/// `verify_mismatch`, naming the keys found. None are found when the difference went away, or the source has changed.
pub(crate) fn report(at: &str, expected: &Tally, seen: &Tally, found: &[Mismatch]) -> WorkError {
    let counts = |t: &Tally| format!("{} items, {} objects, {} bytes", t.items, t.objects, t.bytes);
    let named: Vec<_> = found.iter().map(Mismatch::to_string).collect();
    let named = match named.len() {
        0 => "no key differs from the source as it is now: the source has changed since it was copied".to_owned(),
        MOST_NAMED => format!("the first {MOST_NAMED} keys that differ: {}", named.join("; ")),
        _ => format!("keys that differ: {}", named.join("; ")),
    };
    let message = format!("{at} holds {} where {} were expected; {named}", counts(seen), counts(expected));
    WorkError::permanent("verify_mismatch", message)
}

/// `late_writes`, naming the keys that would be lost. `found` is `None` when there is no live copy to compare with.
pub(crate) fn late(at: &str, verified: &Tally, seen: &Tally, found: Option<&[Mismatch]>) -> WorkError {
    let counts = |t: &Tally| format!("{} items, {} objects, {} bytes", t.items, t.objects, t.bytes);
    let named = match found {
        None => "the tenant has no live copy to compare it with".to_owned(),
        Some(found) => {
            let keys: Vec<_> = found.iter().map(Mismatch::to_string).collect();
            let some =
                if keys.len() == MOST_NAMED { format!("the first {MOST_NAMED} keys") } else { "keys".to_owned() };
            format!("{some} that the live copy lacks (extra) or has with other contents: {}", keys.join("; "))
        }
    };
    let message = format!(
        "{at} has been written to since the move verified it: it holds {} where {} were verified; {named}. Nothing was deleted: \
         find the writer, carry over what is missed, then replay the removal, accepting late writes",
        counts(seen),
        counts(verified)
    );
    WorkError::permanent("late_writes", message)
}

/// A key as it is, or its beginning.
pub(crate) fn shorten(key: &str) -> String {
    if key.chars().nth(LONGEST_KEY).is_none() {
        return key.escape_debug().to_string();
    }
    let cut: String = key.chars().take(LONGEST_KEY).collect();
    format!("{}…", cut.escape_debug())
}
