//! The window of a move.

use serde::{Deserialize, Serialize};
use store::Millis;

use crate::timestamps::utc;

/// A span of time, its end excluded. A move with a window keeps its tenant offline within it, or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// From when on the move may begin.
    pub from: Millis,
    /// When the tenant must be online again.
    pub to: Millis,
}

impl Window {
    /// Refuses what not even the move of an empty tenant fits into, which is offline for `least`; says why, in words.
    pub(crate) fn check(&self, least: Millis, now: Millis) -> Result<(), String> {
        let (from, to) = (utc(self.from), utc(self.to));
        if self.to <= self.from {
            return Err(format!(
                "the window ends at {to}, which is not later than its beginning, {from}: the earlier time comes first"
            ));
        }
        if self.to <= now {
            return Err(format!("the window has passed: it ended at {to}"));
        }
        let left = self.to - self.from.max(now);
        if left > least {
            return Ok(());
        }
        let left = if self.from < now {
            format!("of the window only {} s are left", left / 1_000)
        } else {
            format!("the window lasts {} s", left / 1_000)
        };
        Err(format!(
            "{left}, and draining and settling take {} s even for an empty tenant: give it longer",
            (least + 999) / 1_000
        ))
    }
}
