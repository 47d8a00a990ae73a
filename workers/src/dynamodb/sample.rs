//! A look at some of the items of a part on both sides, and at the number of all.

use futures::TryStreamExt;

use super::{Item, Part, Table, size};
use crate::bounded_retry::BoundedRetry;
use crate::dynamodb::differing_keys::{by_key, matching};
use crate::error::WorkError;
use crate::heartbeat::Heartbeat;
use crate::mismatch::Mismatch;
use crate::progress::Tally;

/// One item in this many is compared,
const ONE_IN: u64 = 100;
/// but at least so many of a part, or all that there are.
const AT_LEAST: u64 = 100;
/// Keys compared at once.
const AT_ONCE: usize = 100;

/// How many items the index lists for the part.
pub(crate) async fn count(at: &Table, part: &Part, heartbeat: &Heartbeat<'_>) -> Result<u64, WorkError> {
    let mut total = 0;
    let mut start = None;
    loop {
        let mut retry = BoundedRetry::new(at.settings.attempts, heartbeat);
        let page = loop {
            at.pacers.index.turn(size::count_units(0, true), heartbeat).await?;
            match at.api.count(part.value(), start.clone()).await {
                Ok(page) => break page,
                Err(why) => retry.wait(why).await?,
            }
        };
        at.pacers.index.took_more(size::count_units(page.entries, page.last.is_none()) - 1);
        heartbeat.beat().await?;
        total += page.entries;
        if page.last.is_none() || page.last == start {
            return Ok(total);
        }
        start = page.last;
    }
}

/// Compares one item in so many of `source` with `at`: how many were compared, and up to `most` differences. Which ones depends on
/// the contents, so that nobody can tell beforehand, and a repetition looks at the same.
pub(crate) async fn differing_sample(
    source: &Table,
    at: &Table,
    part: &Part,
    expected: &Tally,
    most: usize,
    heartbeat: &Heartbeat<'_>,
) -> Result<(u64, Vec<Mismatch>), WorkError> {
    let step = step(expected.items);
    let mut until_next = expected.digest.lane() % step;
    let (mut compared, mut found, mut keys) = (0, Vec::new(), Vec::new());
    let mut chunks = std::pin::pin!(source.chunks(part, None, heartbeat));
    loop {
        let chunk = chunks.try_next().await?;
        let ended = chunk.is_none();
        for key in chunk.map(|chunk| chunk.keys).unwrap_or_default() {
            if until_next == 0 {
                keys.push(key);
            }
            until_next = until_next.checked_sub(1).unwrap_or(step - 1);
        }
        while keys.len() >= AT_ONCE || (ended && !keys.is_empty()) {
            let some: Vec<Item> = keys.drain(..keys.len().min(AT_ONCE)).collect();
            compared += differing((source, at), part, &some, &mut found, heartbeat).await?;
        }
        if ended || found.len() >= most {
            found.truncate(most);
            return Ok((compared, found));
        }
    }
}

/// How far apart the items of a sample are.
fn step(items: u64) -> u64 {
    let wanted = AT_LEAST.max(items.div_ceil(ONE_IN)).min(items.max(1));
    (items / wanted).max(1)
}

async fn differing(
    (source, at): (&Table, &Table),
    part: &Part,
    keys: &[Item],
    found: &mut Vec<Mismatch>,
    heartbeat: &Heartbeat<'_>,
) -> Result<u64, WorkError> {
    let here = by_key(source, &matching(source, keys, part, heartbeat).await?)?;
    let there = by_key(at, &matching(at, keys, part, heartbeat).await?)?;
    for (key, (words, digest)) in &here {
        match there.get(key) {
            None => found.push(Mismatch::Missing(words.clone())),
            Some((_, other)) if other != digest => found.push(Mismatch::Different(words.clone())),
            Some(_) => {}
        }
    }
    found.extend(
        there.iter().filter(|(key, _)| !here.contains_key(*key)).map(|(_, (words, _))| Mismatch::Extra(words.clone())),
    );
    Ok(here.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_one_in_a_hundred_and_at_least_a_hundred() {
        assert_eq!((step(0), step(1), step(99), step(199)), (1, 1, 1, 1));
        assert_eq!(step(1_000), 10);
        assert_eq!(step(10_000), 100);
        assert_eq!(step(1_000_000), 100);
        for items in 100..30_000 {
            assert!(items / step(items) >= 100.min(items), "{items}");
        }
    }
}
