//! What was measured, operation by operation, at one size after the other.

use std::time::{Duration, Instant};

use bench_engine::Spread;
use serde::Serialize;

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Milliseconds.
    Milliseconds,
    /// Microseconds for each tenant.
    MicrosecondsPerTenant,
    /// Mebibytes of memory more than before.
    Mebibytes,
    /// Of so many that were tried.
    Failures,
    /// Processor time in percent of one core.
    PercentOfCore,
}

/// One operation.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figure {
    /// What was done.
    pub operation: &'static str,
    /// What is counted.
    pub unit: Unit,
    /// At each size; `None`: it did not come to an end.
    pub values: Vec<Option<f64>>,
    /// The value at the last size divided by that at the first.
    pub ratio: Option<f64>,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    sizes: usize,
    list: Vec<Figure>,
}

impl Figures {
    /// The next size.
    pub(crate) fn begin(&mut self) {
        self.sizes += 1;
    }

    pub(crate) fn note(&mut self, operation: &'static str, unit: Unit, value: Option<f64>) {
        let known = self.list.iter_mut().find(|figure| figure.operation == operation && figure.unit == unit);
        match known {
            Some(figure) => figure.values.push(value),
            None => {
                let before = vec![None; self.sizes - 1];
                let values = before.into_iter().chain([value]).collect();
                self.list.push(Figure { operation, unit, values, ratio: None });
            }
        }
    }

    /// The median of these times; one that failed makes it a failure.
    pub(crate) fn median(&mut self, operation: &'static str, times: Vec<Option<Duration>>) {
        let all: Option<Vec<f64>> = times.into_iter().map(|time| time.map(milliseconds)).collect();
        self.note(operation, Unit::Milliseconds, all.map(|all| Spread::of(all).median));
    }

    pub(crate) fn into_list(self) -> Vec<Figure> {
        let ratio = |values: &[Option<f64>]| match (values.first(), values.last()) {
            (Some(Some(first)), Some(Some(last))) if *first > 0.0 => Some(last / first),
            _ => None,
        };
        self.list.into_iter().map(|figure| Figure { ratio: ratio(&figure.values), ..figure }).collect()
    }
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// How long it took; `None`: it failed.
pub(crate) async fn timed<T, E>(work: impl Future<Output = Result<T, E>>) -> Option<Duration> {
    let begun = Instant::now();
    work.await.ok().map(|_| begun.elapsed())
}

/// Of times in any order, the one that 99 in 100 do not exceed.
pub(crate) fn p99(mut times: Vec<Duration>) -> Option<f64> {
    times.sort_unstable();
    let at = (times.len() * 99).div_ceil(100).checked_sub(1)?;
    times.get(at).copied().map(milliseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_hundred_the_last_but_one_counts() {
        let times = (1..=100).rev().map(Duration::from_millis).collect();
        assert_eq!(p99(times), Some(99.0));
        assert_eq!(p99(vec![Duration::from_millis(7)]), Some(7.0));
        assert_eq!(p99(Vec::new()), None);
    }

    #[test]
    fn a_figure_is_compared_with_the_first_size_and_never_with_a_failure() {
        let mut figures = Figures::default();
        for (ms, late) in [(2, None), (3, Some(1))] {
            figures.begin();
            figures.median("works", vec![Some(Duration::from_millis(ms)); 3]);
            figures.median("fails", vec![Some(Duration::from_millis(ms)), late.map(Duration::from_millis)]);
        }
        let list = figures.into_list();
        assert_eq!((list[0].values.clone(), list[0].ratio), (vec![Some(2.0), Some(3.0)], Some(1.5)));
        assert_eq!((list[1].values.clone(), list[1].ratio), (vec![None, Some(2.0)], None));
    }
}
