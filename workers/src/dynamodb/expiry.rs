//! Which items the store may delete by itself (TTL), by DynamoDB's own rules (Developer Guide, "Using time to live"): the table
//! has it enabled, and the item has the attribute at its top level, as a number: seconds since 1970 that have passed, and not
//! more than five years ago. It deletes them at any time after that, mostly within days.
//!
//! So two looks at a part can differ although nobody writes. What is *counted* must not depend on when a look is taken, nor on
//! what the store has deleted by then: counted is an item that the store can't delete before the work ends, whenever it looks.
//! All others are copied for as long as they live, and compared one by one by whoever looks at both sides.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Item;
use crate::tables::AttributeValue;

const DAY: i64 = 24 * 60 * 60;
/// What passed this long ago may be left alone by the store already: the guide says five years, and not how long a year is.
const FIVE_YEARS: i64 = 5 * 365 * DAY;
/// What passed this long ago when the work ends was left alone all the while: no work takes a month.
const LEFT_ALONE: i64 = 5 * 366 * DAY + 31 * DAY;

/// How items of one table expire, for one piece of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expiry {
    attribute: String,
    /// By the clocks of the stores nothing of the work is done later, in seconds since 1970; `None`: nobody knows.
    ends: Option<i64>,
    /// How far clocks may be apart, in seconds.
    skew: i64,
}

impl Expiry {
    pub(super) fn new(attribute: &str, ends: Option<SystemTime>, skew: Duration) -> Self {
        let skew = seconds(skew) + 1;
        let ends = ends.map(|ends| since_1970(ends) + skew);
        Self { attribute: attribute.to_owned(), ends, skew }
    }

    pub(super) fn attribute(&self) -> &str {
        &self.attribute
    }

    /// Whether the store can't delete the item by itself before the work ends. The same at every look.
    pub(super) fn is_lasting(&self, item: &Item) -> bool {
        match (self.time_of(item), self.ends) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(at), Some(ends)) => at >= ends || at < ends - LEFT_ALONE,
        }
    }

    /// Whether the item has expired by `now`, whatever clock one asks: it counts as absent, though it may still be there.
    pub(super) fn has_expired(&self, item: &Item, now: SystemTime) -> bool {
        let now = since_1970(now);
        self.time_of(item).is_some_and(|at| at < now - self.skew && at >= now - FIVE_YEARS + DAY)
    }

    /// Whether the store may have deleted the item by `now`, by some clock.
    pub(super) fn may_be_gone(&self, item: &Item, now: SystemTime) -> bool {
        let now = since_1970(now);
        self.time_of(item).is_some_and(|at| at < now + self.skew && at >= now - LEFT_ALONE)
    }

    /// Whether the item has a time at which it expires, however far away.
    pub(super) fn can_expire(&self, item: &Item) -> bool {
        self.time_of(item).is_some()
    }

    fn time_of(&self, item: &Item) -> Option<i64> {
        let AttributeValue::N(number) = item.get(&self.attribute)? else { return None };
        whole_seconds(number)
    }
}

/// A number as the store writes it, without its fraction. One that is too large for a time never passes.
fn whole_seconds(number: &str) -> Option<i64> {
    if let Ok(whole) = number.parse() {
        return Some(whole);
    }
    let number: f64 = number.parse().ok()?;
    // A cast of a number that is too large gives the largest that there is.
    Some(number.floor() as i64)
}

fn since_1970(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => seconds(since),
        Err(before) => -seconds(before.duration()),
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_800_000_000;
    const SKEW: i64 = 5;

    fn at(time: i64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(time.unsigned_abs())
    }

    fn item(number: &str) -> Item {
        HashMap::from([("until".to_owned(), AttributeValue::N(number.to_owned()))])
    }

    fn expiry(ends: Option<i64>) -> Expiry {
        Expiry::new("until", ends.map(at), Duration::from_secs(SKEW.unsigned_abs()))
    }

    /// DynamoDB's rule, for years of any length.
    fn may_delete(time: i64, clock: i64) -> bool {
        time < clock && time >= clock - 5 * 366 * DAY
    }

    fn must_have_expired(time: i64, clock: i64) -> bool {
        time < clock && time >= clock - 5 * 365 * DAY
    }

    /// Times at which something may change: around now, around the end, around five years before either, and any.
    fn times() -> impl Strategy<Value = i64> {
        let around = |middle: i64| middle - 3 * SKEW - 90..middle + 3 * SKEW + 90;
        prop_oneof![
            around(NOW),
            around(NOW + 3_600),
            around(NOW - FIVE_YEARS),
            around(NOW - 5 * 366 * DAY),
            around(NOW + 3_600 - LEFT_ALONE),
            0..2 * NOW,
        ]
    }

    proptest! {
        /// The law: what is counted can't go before the end, at whatever moment of the work and by whatever clock one looks.
        #[test]
        fn what_is_counted_is_there_until_the_end(
            time in times(), end in 0..3_600i64, looked in 0..3_600i64, skew in -SKEW..=SKEW,
        ) {
            let (ends, store) = (NOW + end, NOW + looked.min(end) + skew);
            if expiry(Some(ends)).is_lasting(&item(&time.to_string())) {
                prop_assert!(!may_delete(time, store), "{time} may be deleted at {store}");
            }
        }

        /// What counts as absent has expired by every clock, so that nothing that lives is left behind.
        #[test]
        fn what_counts_as_absent_has_expired(time in times(), skew in -SKEW..=SKEW) {
            if expiry(Some(NOW + 3_600)).has_expired(&item(&time.to_string()), at(NOW)) {
                prop_assert!(must_have_expired(time, NOW + skew));
            }
        }

        /// What a look misses without a reason has not expired by any clock.
        #[test]
        fn what_may_be_gone_covers_what_the_store_deletes(time in times(), skew in -SKEW..=SKEW) {
            if may_delete(time, NOW + skew) {
                prop_assert!(expiry(None).may_be_gone(&item(&time.to_string()), at(NOW)));
            }
        }

        /// Nothing is both counted and absent: the two sides of a move can't disagree about it.
        #[test]
        fn nothing_counted_is_absent(time in times(), end in 0..3_600i64, looked in 0..3_600i64) {
            let (ends, now) = (NOW + end, at(NOW + looked.min(end)));
            let (expiry, item) = (expiry(Some(ends)), item(&time.to_string()));
            prop_assert!(!(expiry.is_lasting(&item) && expiry.has_expired(&item, now)));
        }
    }

    #[test]
    fn only_a_number_at_the_top_that_is_a_time_expires() {
        let expiry = expiry(Some(NOW + 60));
        let past = (NOW - 3_600).to_string();
        assert!(expiry.has_expired(&item(&past), at(NOW)));
        assert!(expiry.has_expired(&item(&format!("{past}.5")), at(NOW)));
        let text = HashMap::from([("until".to_owned(), AttributeValue::S(past.clone()))]);
        let deep = HashMap::from([("in".to_owned(), AttributeValue::M(item(&past)))]);
        let other = HashMap::from([("Until".to_owned(), AttributeValue::N(past))]);
        for item in [text, deep, other, item("1800000000000"), item("1E126"), item("-1E126"), item("0"), item("-5")] {
            assert!(expiry.is_lasting(&item) && !expiry.has_expired(&item, at(NOW)), "{item:?}");
            assert!(!expiry.may_be_gone(&item, at(NOW)), "nobody but a person deletes {item:?}");
        }
    }

    #[test]
    fn without_an_end_nothing_that_can_expire_is_counted() {
        assert!(!expiry(None).is_lasting(&item(&i64::MAX.to_string())));
        assert!(expiry(None).is_lasting(&HashMap::new()));
    }
}
