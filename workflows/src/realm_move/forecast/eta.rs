//! When the tenant will be online again, with an interval that holds the true time about nine times in ten: for people. (Whether
//! a move must turn back is decided by `budget_check.rs`, which errs towards an early end.) Pure.
//!
//! The rate is learned in windows that grow with the time spent; how much it changed from window to window says how far it may
//! still change. The look for changes and the read-back are taken to be as slow as they usually are until they are seen.

use serde::{Deserialize, Serialize};
use store::Millis;

use super::work::{Mark, Work};

/// A window is at least so many looks long.
const WINDOW_LOOKS: i64 = 4;
/// Of the time spent so far, a window takes at least one part in so many.
const WINDOWS: i64 = 60;
/// How much of what is known of the rate the newest window replaces.
const NEWEST_SHARE: f64 = 0.7;
/// The same of how much the rate changes.
const NEWEST_CHANGE: f64 = 0.1;
/// Variance of the logarithm of the rate from window to window, before any was seen.
const USUAL_CHANGE: f64 = 0.02;
/// Of that variance, what makes the known rate wrong now, and what makes it drift.
const NOISE: f64 = 0.3;
const DRIFT: f64 = 0.5;
/// Windows over which a drift adds up, at the most: limits move, but not away.
const DRIFTING_WINDOWS: f64 = 20.0;
/// The standard deviation of the remaining copy, as a share of it, is never taken for less or more.
const LEAST_DOUBT: f64 = 0.10;
const MOST_DOUBT: f64 = 0.135;
/// Reading everything once usually takes this share of the time that copying it took, and differs by so much of itself.
const READING_SHARE: f64 = 0.25;
const READING_DOUBT: f64 = 0.24;
/// Standard deviations to each side that hold nine in ten.
const NINE_IN_TEN: f64 = 1.645;
/// No forecast reaches further than this: about 30 years.
const MOST_MS: f64 = 1e12;

/// What has been learned of one kind's rate. Stored: names are never renamed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Learned {
    /// Where the window began that is open now.
    opened: Mark,
    /// How many a millisecond.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rate: Option<f64>,
    /// The same in the last window alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<f64>,
    /// Variance of the logarithm of the rate from window to window.
    change: f64,
    /// Changes seen.
    changes: u32,
}

/// When the offline period ends: absolute times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forecast {
    /// As likely before as after.
    pub end: Millis,
    /// Nine in ten end from here …
    pub low: Millis,
    /// … to here.
    pub high: Millis,
}

/// How far one kind is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    /// When the stage's work began.
    pub(crate) begun: Millis,
    /// When more was done for the last time.
    pub(crate) grown: Millis,
    /// Now.
    pub(crate) now: Mark,
    /// All there is.
    pub(crate) expected: u64,
}

impl Learned {
    pub(crate) fn begin(at: Mark) -> Self {
        Self { opened: at, rate: None, last: None, change: USUAL_CHANGE, changes: 0 }
    }

    /// What is known after another look.
    pub(crate) fn look(self, now: Mark, begun: Millis, look_every: Millis) -> Self {
        let open = now.at - self.opened.at;
        let window = (WINDOW_LOOKS * look_every).max((now.at - begun) / WINDOWS);
        let first = self.rate.is_none() && now.done > self.opened.done;
        if open < window && !(first && open >= look_every) {
            return self;
        }
        // A window in which nothing was done counts as one in which a little was: the rate halves and does not vanish.
        let done = now.done.saturating_sub(self.opened.done) as f64;
        let seen = done / open.max(1) as f64;
        let Some(rate) = self.rate else {
            return if seen > 0.0 { Self { opened: now, rate: Some(seen), last: Some(seen), ..self } } else { self };
        };
        let seen = seen.max(rate / 4.0);
        let step = (seen / self.last.unwrap_or(rate)).ln();
        let weight = NEWEST_CHANGE.max(1.0 / f64::from(self.changes + 2));
        Self {
            opened: now,
            rate: Some(rate.powf(1.0 - NEWEST_SHARE) * seen.powf(NEWEST_SHARE)),
            last: Some(seen),
            change: self.change + weight * (step * step - self.change),
            changes: self.changes.saturating_add(1),
        }
    }

    /// When the offline period ends, by this kind alone.
    pub(crate) fn forecast(&self, at: &Reading, work: &Work, look_every: Millis) -> Option<Forecast> {
        let remaining = at.expected.saturating_sub(at.now.done) as f64;
        let spent = (at.now.at - at.begun) as f64;
        let copying = (remaining / self.rate?).min(MOST_MS);
        let window = ((WINDOW_LOOKS * look_every) as f64).max(spent / WINDOWS as f64);
        let drifting = (copying / window).min(DRIFTING_WINDOWS) / 3.0;
        let doubt = (self.change * (NOISE + DRIFT * drifting)).sqrt().clamp(LEAST_DOUBT, MOST_DOUBT) * copying;
        let (reading, reading_doubt) = if work.copying { after_copying(at, copying, work) } else { (0.0, 0.0) };
        let left = (copying + reading).clamp(1.0, MOST_MS);
        let spread = (NINE_IN_TEN * doubt.hypot(reading_doubt) / left).exp();
        let after = |left: f64| at.now.at.saturating_add(left.min(MOST_MS) as Millis);
        Some(Forecast { end: after(left), low: after(left / spread), high: after(left * spread) })
    }
}

/// What follows the copy, and how much it is in doubt: the wait and the look for changes, as far as they are not over, and the
/// read-back.
fn after_copying(at: &Reading, copying: f64, work: &Work) -> (f64, f64) {
    let is_copied = at.now.done >= at.expected;
    let copy_took = if is_copied { (at.grown - at.begun) as f64 } else { (at.now.at - at.begun) as f64 + copying };
    let pass = READING_SHARE * copy_took;
    let since = if is_copied { (at.now.at - at.grown) as f64 } else { 0.0 };
    // A look for changes that takes longer than usual may take as long again as it has been late.
    let usual = work.settle_ms as f64 + pass;
    let looking = if since < usual { usual - since } else { since - usual };
    let doubt = READING_DOUBT * pass;
    (looking + pass, (doubt + (since - usual).max(0.0) / 2.0).hypot(doubt))
}

impl Forecast {
    /// Two forecasts of the same work, of which neither is known to be right.
    pub(crate) fn between(self, other: Self) -> Self {
        let end = self.end.min(other.end) + (self.end - other.end).abs() / 2;
        Self { end, low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    /// Both kinds must end: the later of each.
    pub(crate) fn later(self, other: Self) -> Self {
        Self { end: self.end.max(other.end), low: self.low.max(other.low), high: self.high.max(other.high) }
    }
}

#[cfg(test)]
mod tests;
