//! When a move may begin, and by when its tenant must be offline: a time, or a window. Decides, and changes nothing.

use engine::StepError;
use serde::{Deserialize, Serialize};
use store::Millis;

use crate::plan::Plan;
use crate::realm_move::state::{MoveState, Stage};
use crate::realm_move::window::Window;
use crate::refusal::Refusal;
use crate::timestamps::utc;
use crate::timing::{Timing, millis};

/// When a move shall begin: at once, at a time, or within a window. A move that has a window can be given a time within it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct When {
    /// Not before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Millis>,
    /// Within this window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
}

/// How far in the past a start may lie, in milliseconds: clocks differ and requests take time.
const LATE_MS: Millis = 60_000;

impl When {
    /// Refuses what can't come true. Returns when the move is due.
    pub(crate) fn check(&self, timing: &Timing, plan: &Plan, now: Millis) -> Result<Millis, Refusal> {
        if self.at.is_some() && self.window.is_some() {
            return Err(Refusal::invalid("invalid_window", "give a time or a window, not both"));
        }
        if self.at.is_some_and(|at| at < now - LATE_MS) {
            return Err(Refusal::invalid("time_has_passed", "that time has passed: give a later time, or `now`"));
        }
        self.fits(timing, plan, now)
    }

    /// The same of a time within a window.
    pub(crate) fn fits(&self, timing: &Timing, plan: &Plan, now: Millis) -> Result<Millis, Refusal> {
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
pub(crate) fn missed(timing: &Timing, state: &MoveState, now: Millis) -> Option<StepError> {
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
