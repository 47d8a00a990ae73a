//! What to say when a target does not hold exactly what the source holds.

use std::fmt;
use std::time::Duration;

use crate::error::WorkError;
use crate::progress::Tally;

/// How many keys a report names.
pub(crate) const MOST_NAMED: usize = 10;
/// One key in which a target differs from its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// The target lacks it.
    Missing(String),
    /// Only the target has it.
    Extra(String),
    /// Both have it, and it differs; in what may stand behind the key.
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

/// What counts as a difference of the replica that is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Differs {
    /// What the kept copy lacks, or has with other contents: while both are replicas of each other.
    InAnyWay,
    /// What the kept copy lacks. After the switch only the kept copy is written to: other contents there are
    /// newer.
    WhenLacking,
}

impl Differs {
    /// Whether what is `here` differs from what the copy that stays has.
    pub(crate) fn is_so<T: PartialEq>(self, here: Option<T>, kept: Option<T>) -> bool {
        match (here, kept) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(here), Some(kept)) => self == Self::InAnyWay && here != kept,
        }
    }

    /// A key that only the replica has, or that both have with different contents.
    pub(crate) fn named(key: String, in_both: bool) -> Mismatch {
        if in_both { Mismatch::Different(key) } else { Mismatch::Extra(key) }
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
    let holds = match (counts(seen), counts(expected)) {
        (seen, expected) if seen == expected => format!("{at} holds {seen}, as many as expected, but not the same"),
        (seen, expected) => format!("{at} holds {seen} where {expected} were expected"),
    };
    let message = format!("{holds}; {named}");
    WorkError::permanent("verify_mismatch", message)
}

/// `source_written`, naming the keys in which a source differs from what was just copied from it.
pub(crate) fn written(source: &str, found: &[Mismatch]) -> WorkError {
    let words = found.iter().map(|key| match key {
        Mismatch::Missing(key) => format!("added {key}"),
        Mismatch::Extra(key) => format!("deleted {key}"),
        Mismatch::Different(key) => format!("changed {key}"),
    });
    let words: Vec<_> = words.collect();
    let some = if words.len() == MOST_NAMED { format!("the first {MOST_NAMED} keys") } else { "keys".to_owned() };
    // An index that is behind for longer than it may be looks like this, too.
    let only_added = found.iter().all(|key| matches!(key, Mismatch::Missing(_)));
    let or = if only_added { ", or its index is further behind than is waited for" } else { "" };
    let message = format!(
        "{source} was written to after the tenant went offline, while it was copied: something does not follow the tenant's \
         status{or}. Find and stop it, then start the move again; {some}: {}",
        words.join("; ")
    );
    WorkError::permanent("source_written", message)
}

/// `replica_diverged`, naming keys that only the replica that is left has, or has with other contents than
/// the copy that stays.
pub(crate) fn diverged((at, kept): (&str, &str), apart: Duration, differs: Differs, found: &[Mismatch]) -> WorkError {
    let keys: Vec<_> = found.iter().map(Mismatch::to_string).collect();
    let some = if keys.len() == MOST_NAMED { format!("the first {MOST_NAMED} keys") } else { "keys".to_owned() };
    let (what, then) = match differs {
        Differs::InAnyWay => ("lacks (extra) or has with other contents", "start the move again"),
        Differs::WhenLacking => ("lacks", "replay the removal"),
    };
    let message = format!(
        "{at} is to be emptied, and at two looks {} ms apart it held what {kept}, which stays, {what}: {some}: {}. Nothing was \
         deleted: make the two equal (copy there what is missing, delete here what should be gone), then {then}",
        apart.as_millis(),
        keys.join("; ")
    );
    WorkError::permanent("replica_diverged", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_deleted_at_both_is_no_difference_and_newer_contents_are_one_only_while_both_are_replicas() {
        let differs = |differs: Differs| {
            [(None, None), (None, Some(1)), (Some(1), None), (Some(1), Some(1)), (Some(1), Some(2))]
                .map(|(here, kept)| differs.is_so(here, kept))
        };
        assert_eq!(differs(Differs::InAnyWay), [false, false, true, false, true]);
        assert_eq!(differs(Differs::WhenLacking), [false, false, true, false, false]);
    }
}
