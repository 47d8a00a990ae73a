//! How a replica that is about to be left is held against a copy that stays.

use std::time::Duration;

use crate::error::WorkError;
use crate::mismatch::{MOST_NAMED, Mismatch};
use crate::progress::Tally;
use crate::pulse::Pulse;

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

/// What is asked about a replica that is left.
#[derive(Debug, Clone, Copy)]
pub struct Leaving {
    /// What counts as a difference.
    pub differs: Differs,
    /// How long before the first look: what was written until now is listed by its index then.
    pub first_after: Duration,
    /// How long after a first look at a key that differs there is a second.
    pub again_after: Duration,
    /// What it held when all of it was found to be in the copy that stays: if it holds just that, nothing
    /// else is looked at.
    pub known: Option<Tally>,
}

/// How it is looked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Looks {
    pub(crate) differs: Differs,
    /// How long after a first look at a key there is a second.
    pub(crate) again_after: Duration,
    /// How many keys wait for their second look together.
    pub(crate) at_once: usize,
    /// How many keys are named.
    pub(crate) most: usize,
}

/// So many keys are held in memory, and wait together.
const AT_ONCE: usize = 1_000;

/// The wait is cut into pieces of this length, each with a sign of life.
const PIECE: Duration = Duration::from_secs(5);

impl Looks {
    pub(crate) fn new(differs: Differs, again_after: Duration) -> Self {
        Self { differs, again_after, at_once: AT_ONCE, most: MOST_NAMED }
    }

    /// Until the second look.
    pub(crate) async fn wait(&self, pulse: &Pulse<'_>) -> Result<(), WorkError> {
        wait(self.again_after, pulse).await
    }
}

/// Waits with signs of life.
pub(crate) async fn wait(mut left: Duration, pulse: &Pulse<'_>) -> Result<(), WorkError> {
    while !left.is_zero() {
        let piece = left.min(PIECE);
        tokio::time::sleep(piece).await;
        left -= piece;
        pulse.beat().await?;
    }
    Ok(())
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
