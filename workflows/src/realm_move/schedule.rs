//! When a move may begin, and by when its tenant must be offline: a time, or a window. Decides, and changes nothing.

use engine::StepError;
use serde::{Deserialize, Serialize};
use store::Millis;

use super::state::{MoveState, Stage};
use crate::plan::Plan;
use crate::refusal::Refusal;
use crate::timestamps::utc;
use crate::timing::{Timing, millis};

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
    fn check(&self, least: Millis, now: Millis) -> Result<(), String> {
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

/// When a move shall begin: at once, at a time, or within a window. A move that has a window can be given a time within it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct When {
    /// Not before this time.
    pub at: Option<Millis>,
    /// Within this window.
    pub window: Option<Window>,
}

/// How far in the past a start may lie, in milliseconds: clocks differ and requests take time.
const LATE_MS: Millis = 60_000;

impl When {
    /// Refuses what can't come true. Returns when the move is due.
    pub(super) fn check(&self, timing: &Timing, plan: &Plan, now: Millis) -> Result<Millis, Refusal> {
        if self.at.is_some() && self.window.is_some() {
            return Err(Refusal::invalid("invalid_window", "give a time or a window, not both"));
        }
        if self.at.is_some_and(|at| at < now - LATE_MS) {
            return Err(Refusal::invalid(
                "time_has_passed",
                "that time has passed: give a later one, or the time that it is now",
            ));
        }
        self.fits(timing, plan, now)
    }

    /// The same of a time within a window.
    pub(super) fn fits(&self, timing: &Timing, plan: &Plan, now: Millis) -> Result<Millis, Refusal> {
        if let Some(window) = self.window {
            window
                .check(least_offline(timing, plan), self.at.map_or(now, |at| at.max(now)))
                .map_err(|message| Refusal::invalid("invalid_window", message))?;
        }
        let from = self.window.map_or(now, |window| window.from);
        Ok(self.at.unwrap_or(now).max(from).max(now))
    }
}

/// Why a move that is still online can't keep to its window any more.
pub(super) fn missed(timing: &Timing, state: &MoveState, now: Millis) -> Option<StepError> {
    let online = matches!(
        state.stage,
        Stage::Scheduled
            | Stage::Preflight
            | Stage::Waiting { .. }
            | Stage::Comparing
            | Stage::Offline
            | Stage::Commit { offline: None, .. }
    );
    let window = state.window.filter(|_| online)?;
    let least = least_offline(timing, &state.plan);
    if now + least < window.to {
        return None;
    }
    let message = format!(
        "the window ends at {}, too soon to go offline now: that takes {} s even for an empty tenant; start the move again with \
         another window",
        utc(window.to),
        (least + 999) / 1_000
    );
    Some(StepError::permanent("window_missed", message))
}

fn least_offline(timing: &Timing, plan: &Plan) -> Millis {
    if plan.needs_offline() { millis(timing.least_offline()) } else { 0 }
}
