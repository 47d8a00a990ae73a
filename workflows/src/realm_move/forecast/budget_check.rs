//! When an offline period will end, projected from how far its data work is: so that a move that can't keep its offline
//! budget rolls back before the budget is spent. Pure.
//!
//! Where there is doubt it errs towards an early end, because a move on course must never be turned back: the faster of the
//! average and the recent rate counts, reading back is taken to be quick, and one look is not enough to give up.

use serde::{Deserialize, Serialize};
use store::Millis;

use super::work::{Mark, Measure, Work};
use crate::realm_move::forecast::eta::{Forecast, Learned, Reading};

/// The offline period: what the projection is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// When it began.
    pub since: Millis,
    /// When it must end.
    pub deadline: Millis,
}

/// What the looks at a stage's work have shown so far. Stored: names are never renamed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    /// When it was last looked; at first, when the stage began.
    looked: Millis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    items: Option<Track>,
    /// Objects by their size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<Track>,
    /// Objects mostly by their number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    objects: Option<Track>,
    /// When the offline period would end, as last projected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    projected_end: Option<Millis>,
    /// When it is likely to end, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    forecast: Option<Forecast>,
    /// How many looks in a row found that it can't end in time.
    #[serde(default)]
    over: u32,
}

/// The readings of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Track {
    /// The last reading before anything was done.
    begun: Mark,
    /// The recent rate is counted from here.
    recent: Mark,
    /// What `recent` becomes when it is too long ago.
    next: Mark,
    /// When more was done for the last time.
    grown: Mark,
    /// What is known of the rate, for the forecast.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    learned: Option<Learned>,
}

/// Reading everything once takes at least this share of the time that copying it took. Low on purpose: base tables are read
/// many times faster than an index partition takes writes.
const READING_SHARE: f64 = 0.1;
/// Looks in a row that must agree before a move is given up.
const LOOKS_THAT_AGREE: u32 = 2;
/// Nothing is judged before this many looks of work, nor before work was told of so many times.
const LEAST_LOOKS: i64 = 4;
/// The projected end must lie beyond the deadline by more than this share of the time still projected.
const MARGIN: f64 = 0.1;

impl Pace {
    /// The pace of a stage that begins now; what was projected before is kept for displays.
    pub fn begin(now: Millis, before: Option<&Self>) -> Self {
        let (projected_end, forecast) = before.map_or((None, None), |before| (before.projected_end, before.forecast));
        Self { looked: now, projected_end, forecast, ..Self::default() }
    }

    /// Whether nothing is known: a stage stored by a version without projections.
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }

    /// When the offline period would end, as last projected.
    pub fn projected_end(&self) -> Option<Millis> {
        self.projected_end
    }

    /// When the offline period is likely to end.
    pub fn forecast(&self) -> Option<Forecast> {
        self.forecast
    }

    /// Whether the offline period can't end in time, by more than one look.
    pub fn is_hopeless(&self) -> bool {
        self.over >= LOOKS_THAT_AGREE
    }

    /// What is known after another look. Looks closer together than half of `look_every` change nothing.
    #[must_use]
    pub fn look(&self, now: Millis, done: Measure, work: &Work, budget: Budget, look_every: Millis) -> Self {
        if !self.is_unknown() && now - self.looked < (look_every / 2).max(1) {
            return self.clone();
        }
        // The source may have grown since it was counted: then all that was counted is done.
        let done = done.at_most(work.expected);
        let all = work.expected;
        let mut pace = Self {
            looked: now,
            items: self.track(self.items, now, (done.items, all.items), look_every),
            bytes: self.track(self.bytes, now, (done.by_size(), all.by_size()), look_every),
            objects: self.track(self.objects, now, (done.by_count(), all.by_count()), look_every),
            ..self.clone()
        };
        pace.forecast = pace.forecast_at(now, done, work, look_every).or(pace.forecast);
        let end = |(track, done, expected): (Option<Track>, u64, u64)| {
            let track = track.filter(|_| expected > 0)?;
            let left = track.left(now, done, expected, work)?;
            Some((now.saturating_add(left), track.is_telling(now, (done, expected), work, budget, look_every)))
        };
        let [items, sized, counted] = pace.kinds(done, all).map(end);
        // Of one bucket's work both are told, and what is true lies between; of tables and buckets the later one counts.
        let objects = sized.into_iter().chain(counted).min_by_key(|(end, _)| *end);
        let Some((end, telling)) = items.into_iter().chain(objects).max_by_key(|(end, _)| *end) else {
            pace.over = 0;
            return pace;
        };
        pace.projected_end = Some(end);
        let beyond = end.saturating_sub(budget.deadline) as f64;
        let is_over = telling && beyond > 0.0 && beyond > MARGIN * (end - now) as f64;
        pace.over = if is_over { self.over + 1 } else { 0 };
        pace
    }

    /// Items, objects by their size, and objects by their number: what is known of each, how much is done, and how much there is.
    fn kinds(&self, done: Measure, all: Measure) -> [(Option<Track>, u64, u64); 3] {
        [
            (self.items, done.items, all.items),
            (self.bytes, done.by_size(), all.by_size()),
            (self.objects, done.by_count(), all.by_count()),
        ]
    }

    fn forecast_at(&self, now: Millis, done: Measure, work: &Work, look_every: Millis) -> Option<Forecast> {
        let forecast = |(track, done, expected): (Option<Track>, u64, u64)| {
            let track = track.filter(|_| expected > 0)?;
            let now = Mark { at: now, done };
            let reading = Reading { begun: track.begun.at, grown: track.grown.at, now, expected };
            track.learned?.forecast(&reading, work, look_every)
        };
        let [items, sized, counted] = self.kinds(done, work.expected).map(forecast);
        let objects = sized.into_iter().chain(counted).reduce(Forecast::between);
        items.into_iter().chain(objects).reduce(Forecast::later)
    }

    /// How far it is, in words for a person: `1200 of 20000 items at 30/s, 40 of 127 objects (7000 of 246609 bytes)`.
    pub fn words(&self, done: Measure, work: &Work) -> String {
        let all = work.expected;
        let rate = self.items.and_then(|items| items.rate(self.looked, done.items, all.items));
        let items = rate.filter(|_| all.items > 0);
        let items = items.map(|rate| format!("{} of {} items at {:.0}/s", done.items, all.items, rate * 1_000.0));
        let objects = (all.objects > 0)
            .then(|| format!("{} of {} objects ({} of {} bytes)", done.objects, all.objects, done.bytes, all.bytes));
        items.into_iter().chain(objects).collect::<Vec<_>>().join(", ")
    }

    fn track(
        &self,
        track: Option<Track>,
        now: Millis,
        (done, expected): (u64, u64),
        look_every: Millis,
    ) -> Option<Track> {
        let Some(track) = track else {
            // Work that is found under way, by a version that did not look before, is judged by what follows.
            let begun = if self.is_unknown() { Mark { at: now, done } } else { Mark { at: self.looked, done: 0 } };
            return (done > 0).then_some(Track {
                begun,
                recent: begun,
                next: Mark { at: now, done },
                grown: Mark { at: now, done },
                learned: Some(Learned::begin(begun).look(Mark { at: now, done }, begun.at, look_every)),
            });
        };
        let now = Mark { at: now, done };
        let span = (LEAST_LOOKS * look_every).max((now.at - track.begun.at) / 8);
        let (recent, next) =
            if now.at - track.next.at >= span { (track.next, now) } else { (track.recent, track.next) };
        let grown = if done > track.grown.done { now } else { track.grown };
        let learned = track.learned.unwrap_or_else(|| Learned::begin(track.next));
        // Once all is copied, the time that looking for changes takes says nothing of the rate.
        let learned = if done < expected { learned.look(now, track.begun.at, look_every) } else { learned };
        Some(Track { recent, next, grown, learned: Some(learned), ..track })
    }
}

impl Track {
    /// How many a millisecond: the faster of the average and the recent rate.
    fn rate(&self, now: Millis, done: u64, expected: u64) -> Option<f64> {
        // Once all is copied, the time that looking for changes takes says nothing of the rate.
        let now = if done >= expected { self.grown.at } else { now };
        let since = |mark: Mark| done.saturating_sub(mark.done) as f64 / (now - mark.at).max(1) as f64;
        Some(since(self.begun).max(since(self.recent))).filter(|rate| *rate > 0.0)
    }

    /// Milliseconds until the end.
    fn left(&self, now: Millis, done: u64, expected: u64, work: &Work) -> Option<Millis> {
        let rate = self.rate(now, done, expected)?;
        let remaining = expected.saturating_sub(done);
        // While the copy is under way, the look for changes and the read-back follow; after it, at least the latter.
        let passes = f64::from(u8::from(work.copying) + u8::from(work.copying && remaining > 0)) * READING_SHARE;
        let settle = if work.copying && remaining > 0 { work.settle_ms } else { 0 };
        let left = (remaining as f64 + passes * expected as f64) / rate;
        Some(settle.saturating_add(left.min(MOST_MS) as Millis))
    }

    /// Whether there is enough to judge by: some looks and reports and some time, and some progress or much time.
    fn is_telling(
        &self,
        now: Millis,
        (done, expected): (u64, u64),
        work: &Work,
        budget: Budget,
        look_every: Millis,
    ) -> bool {
        let (spent, allowed) = (now - self.begun.at, budget.deadline - budget.since);
        let some = spent >= LEAST_LOOKS * look_every.max(work.told_every_ms) && spent >= allowed / 20;
        some && (done >= expected / 50 || spent >= allowed / 4)
    }
}

/// No projection reaches further than this: about 30 years.
const MOST_MS: f64 = 1e12;

#[cfg(test)]
mod tests;
