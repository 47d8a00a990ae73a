//! How far data work is, in words: a rate over the last seconds, what is left, and never "100 %" before the end.
//! Decides nothing about how it is drawn.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use server::api::ProgressView;

use crate::format;

/// The rate is that of this last while.
const WINDOW: Duration = Duration::from_secs(8);
/// Below this, a rate says nothing yet.
const SHORTEST: Duration = Duration::from_millis(600);
/// Work in progress is never shown as more than this, in percent.
const MOST_PERCENT: u64 = 99;

/// One kind of thing that is counted while a state works on it.
#[derive(Debug)]
pub(crate) struct Meter {
    noun: &'static str,
    /// What is still done once everything has been counted.
    at_last: &'static str,
    samples: VecDeque<(Instant, u64)>,
}

impl Meter {
    pub(crate) fn new(noun: &'static str, at_last: &'static str) -> Self {
        Self { noun, at_last, samples: VecDeque::new() }
    }

    /// Takes a reading.
    pub(crate) fn record(&mut self, now: Instant, done: u64) {
        // Work that begins again from a checkpoint counts less than before: the old readings say nothing of it.
        if self.samples.back().is_some_and(|(_, last)| *last > done) {
            self.samples.clear();
        }
        self.samples.push_back((now, done));
        // The oldest reading kept is the last one from before the window.
        while self.samples.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW) {
            self.samples.pop_front();
        }
    }

    /// How many a second, of late.
    pub(crate) fn rate(&self) -> Option<f64> {
        let ((from, before), (to, done)) = (self.samples.front()?, self.samples.back()?);
        let during = to.duration_since(*from);
        (during >= SHORTEST && done > before).then(|| (done - before) as f64 / during.as_secs_f64())
    }

    /// `8,000 of 20,000 items, 40 %, 2,345/s, about 5 s left`.
    pub(crate) fn words(&self, expected: u64) -> String {
        let done = self.samples.back().map_or(0, |(_, done)| *done);
        let noun = self.noun;
        if done >= expected {
            return format!("{}, {}", format::counted(done, noun), self.at_last);
        }
        let mut text =
            format!("{} of {}, {} %", format::count(done), format::counted(expected, noun), percent(done, expected));
        if let Some(rate) = self.rate() {
            let left = Duration::from_secs_f64(((expected - done) as f64 / rate).min(1e7));
            let left = format::duration(Duration::from_secs(left.as_secs().max(1)));
            text.push_str(&format!(
                ", {}/s, about {} left",
                format::count(rate.round() as u64),
                left.replace(".0", "")
            ));
        }
        text
    }
}

/// How much of the whole is done, for something that is not over.
pub(crate) fn percent(done: u64, expected: u64) -> u64 {
    if expected == 0 {
        return 0;
    }
    (done.saturating_mul(100) / expected).min(MOST_PERCENT)
}

/// The meters of one state.
#[derive(Debug)]
pub(crate) struct Meters {
    pub(crate) items: Meter,
    pub(crate) objects: Meter,
}

impl Meters {
    pub(crate) fn of(state: &str) -> Self {
        let at_last = if state == "verify" { "comparing" } else { "looking again for changes" };
        Self { items: Meter::new("item", at_last), objects: Meter::new("object", at_last) }
    }

    /// Takes a reading of both.
    pub(crate) fn record(&mut self, now: Instant, progress: &ProgressView) {
        self.items.record(now, progress.done.items);
        self.objects.record(now, progress.done.objects);
    }

    /// What there is to say, each with its percentage: only of kinds that there are.
    pub(crate) fn lines(&self, progress: &ProgressView) -> Vec<(u64, String)> {
        let kinds = [
            (&self.items, progress.done.items, progress.expected.items),
            (&self.objects, progress.done.objects, progress.expected.objects),
        ];
        let present = kinds.into_iter().filter(|(_, done, expected)| *expected > 0 || *done > 0);
        present.map(|(meter, done, expected)| (percent(done, expected), meter.words(expected))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_and_an_estimate_come_from_the_last_seconds() {
        let start = Instant::now();
        let mut meter = Meter::new("item", "comparing");
        for second in 0..20u64 {
            let done = if second < 10 { second * 10 } else { 100 + (second - 10) * 1000 };
            meter.record(start + Duration::from_secs(second), done);
        }
        let rate = meter.rate().expect("20 readings are enough");
        assert!((rate - 1000.0).abs() < 1.0, "{rate}");
        assert_eq!(meter.words(19_100), "9,100 of 19,100 items, 47 %, 1,000/s, about 10 s left");
    }

    #[test]
    fn nothing_is_said_to_be_done_before_the_end() {
        let mut meter = Meter::new("object", "comparing");
        meter.record(Instant::now(), 2_000);
        assert_eq!(meter.words(2_000), "2,000 objects, comparing");
        assert_eq!((percent(1_999, 2_000), percent(5, 4), percent(0, 0)), (99, 99, 0));
    }

    #[test]
    fn work_that_begins_again_has_no_rate_yet() {
        let start = Instant::now();
        let mut meter = Meter::new("item", "comparing");
        meter.record(start, 100);
        meter.record(start + Duration::from_secs(1), 200);
        meter.record(start + Duration::from_secs(2), 50);
        assert_eq!(meter.rate(), None);
        assert_eq!(meter.words(200), "50 of 200 items, 25 %");
    }
}
