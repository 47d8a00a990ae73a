//! Laws of the projection, over simulated offline periods.

use proptest::prelude::*;

use crate::realm_move::forecast::budget_check::*;
use crate::realm_move::forecast::work::{OBJECT_AT_LEAST, OBJECT_AT_MOST};

const LOOK: Millis = 5_000;
const SINCE: Millis = 1_700_000_000_000;

/// A copy of so many items at a changing rate; the drain before it and what comes after it are given in milliseconds.
#[derive(Debug, Clone)]
struct Course {
    items: u64,
    drain: Millis,
    settle: Millis,
    /// Items a second at full rate.
    rate: u64,
    /// Each look's share of the full rate, in percent, over and over.
    shares: Vec<u64>,
    /// How long looking for changes and reading back take, each, in percent of the copy's time.
    reading: u64,
    /// All progress stops once this share of the items is copied, in percent; 100 never.
    stalls_at: u64,
}

/// How the course went under a budget: whether it was turned back, and when; else when it would have ended.
#[derive(Debug, PartialEq)]
enum Outcome {
    TurnedBack(Millis),
    Ended(Millis),
    RanIntoTheDeadline,
}

impl Course {
    fn run(&self, allowed: Millis) -> Outcome {
        let budget = Budget { since: SINCE, deadline: SINCE + allowed };
        let expected = Measure { items: self.items, ..Measure::default() };
        let work = Work { expected, copying: true, settle_ms: self.settle, told_every_ms: 0 };
        let begin = SINCE + self.drain;
        let (mut now, mut done, mut pace) = (begin, 0u64, Pace::begin(begin, None));
        let shares: Vec<u64> = self.shares.clone();
        for share in shares.iter().cycle() {
            if done >= self.items {
                break;
            }
            now += LOOK;
            if now >= budget.deadline {
                return Outcome::RanIntoTheDeadline;
            }
            let stall = self.items * self.stalls_at / 100;
            let next = (done + self.rate * LOOK.unsigned_abs() / 1_000 * share / 100).min(self.items);
            done = if self.stalls_at < 100 { next.min(stall) } else { next };
            pace = pace.look(now, Measure { items: done, ..Measure::default() }, &work, budget, LOOK);
            if pace.is_hopeless() {
                return Outcome::TurnedBack(now);
            }
        }
        let pass = (now - begin) * i64::try_from(self.reading).expect("small") / 100;
        let checked = now + self.settle + pass;
        while now < checked {
            now += LOOK;
            pace = pace.look(now, expected, &work, budget, LOOK);
            if pace.is_hopeless() {
                return Outcome::TurnedBack(now);
            }
        }
        self.read_back(now, pass, &pace, budget)
    }

    fn read_back(&self, begin: Millis, pass: Millis, before: &Pace, budget: Budget) -> Outcome {
        let expected = Measure { items: self.items, ..Measure::default() };
        let work = Work { expected, copying: false, settle_ms: 0, told_every_ms: 0 };
        let (mut now, mut pace) = (begin, Pace::begin(begin, Some(before)));
        while now < begin + pass {
            now += LOOK;
            let done = self.items * (now - begin).unsigned_abs() / pass.unsigned_abs().max(1);
            pace = pace.look(now, Measure { items: done.min(self.items), ..Measure::default() }, &work, budget, LOOK);
            if pace.is_hopeless() {
                return Outcome::TurnedBack(now);
            }
        }
        if now > budget.deadline { Outcome::RanIntoTheDeadline } else { Outcome::Ended(now) }
    }

    /// When it would end if nobody turned it back.
    fn end(&self) -> Millis {
        match self.run(1_000 * 24 * 3_600_000) {
            Outcome::Ended(end) => end - SINCE,
            other => panic!("it ends with time enough: {other:?}"),
        }
    }
}

prop_compose! {
    fn any_course()(
        rate in 10u64..2_000,
        seconds in 120u64..7_200,
        drain in 0i64..120_000,
        settle in 0i64..20_000,
        shares in prop::collection::vec(60u64..=140, 1..12),
        reading in 10u64..60,
    ) -> Course {
        Course { items: rate * seconds, drain, settle, rate, shares, reading, stalls_at: 100 }
    }
}

proptest! {
    #[test]
    fn a_move_on_course_is_never_turned_back(course in any_course(), spare in 0i64..200) {
        let allowed = course.end() + course.end() * spare / 100;
        prop_assert!(matches!(course.run(allowed), Outcome::Ended(_)), "{:?}", course.run(allowed));
    }

    #[test]
    fn one_that_can_not_make_it_is_turned_back_before_the_deadline(course in any_course(), share in 20i64..60) {
        let allowed = course.end() * share / 100;
        // Short of the drain and a few looks nothing can be judged: the hard deadline is there for that.
        prop_assume!(allowed > course.drain + 60_000 && allowed > 20 * LOOK);
        prop_assert!(matches!(course.run(allowed), Outcome::TurnedBack(_)), "{:?} of {allowed}", course.run(allowed));
    }

    #[test]
    fn one_that_stalls_is_turned_back_before_the_deadline(course in any_course(), stalls_at in 5u64..80) {
        let allowed = course.end() * 3 / 2;
        prop_assume!(allowed > 40 * LOOK);
        let course = Course { stalls_at, ..course };
        prop_assert!(matches!(course.run(allowed), Outcome::TurnedBack(_)), "{:?} of {allowed}", course.run(allowed));
    }

    #[test]
    fn less_progress_never_projects_earlier(
        steps in prop::collection::vec(1u64..500, 1..40),
        (less, more) in (0u64..500, 0u64..500),
        expected in 1u64..20_000,
        settle_ms in 0i64..20_000,
    ) {
        let budget = Budget { since: SINCE, deadline: SINCE + 3_600_000 };
        let expected = Measure { items: expected, ..Measure::default() };
        let work = Work { expected, copying: true, settle_ms, told_every_ms: 0 };
        let (mut now, mut done, mut pace) = (SINCE, 0, Pace::begin(SINCE, None));
        for step in steps {
            now += LOOK;
            done += step;
            pace = pace.look(now, Measure { items: done, ..Measure::default() }, &work, budget, LOOK);
        }
        let (less, more) = (less.min(more), less.max(more));
        let end = |by: u64| {
            let done = Measure { items: done + by, ..Measure::default() };
            pace.look(now + LOOK, done, &work, budget, LOOK).projected_end().expect("there is progress")
        };
        prop_assert!(end(less) >= end(more), "{} and {}", end(less), end(more));
    }
}

#[test]
fn nothing_is_judged_in_the_first_moments_or_by_one_look() {
    let budget = Budget { since: SINCE, deadline: SINCE + 600_000 };
    let expected = Measure { items: 1_000_000, ..Measure::default() };
    let work = Work { expected, copying: true, settle_ms: 10_000, told_every_ms: 0 };
    let mut pace = Pace::begin(SINCE, None);
    let hopeless = (1i64..)
        .find(|look| {
            let done = Measure { items: look.unsigned_abs(), ..Measure::default() };
            pace = pace.look(SINCE + look * LOOK, done, &work, budget, LOOK);
            // Asking again at once is no second look.
            pace = pace.look(SINCE + look * LOOK + 1, done, &work, budget, LOOK);
            pace.is_hopeless()
        })
        .expect("a million at one a look never fit into ten minutes");
    // A quarter of the time allowed, because there is hardly any progress to judge by; and one look more.
    assert_eq!(hopeless, 31);
}

#[test]
fn two_kinds_end_with_the_slower_one_and_one_that_has_not_begun_says_nothing() {
    let budget = Budget { since: SINCE, deadline: SINCE + 3_600_000 };
    let expected = Measure { items: 1_000, objects: 1, bytes: 1_000_000 };
    let work = Work { expected, copying: false, settle_ms: 0, told_every_ms: 0 };
    let look = |items, bytes| {
        Pace::begin(SINCE, None)
            .look(SINCE + 10_000, Measure { items, objects: 0, bytes }, &work, budget, LOOK)
            .projected_end()
    };
    assert_eq!(look(0, 0), None);
    assert_eq!(look(500, 0), Some(SINCE + 20_000));
    let end = look(500, 100_000).expect("both have begun");
    assert!((SINCE + 99_000..SINCE + 103_000).contains(&end), "a tenth of the one large object: {end}");
}

#[test]
fn a_stage_that_an_older_version_stored_is_judged_from_the_first_look_on() {
    let budget = Budget { since: SINCE, deadline: SINCE + 3_600_000 };
    let expected = Measure { items: 1_000, ..Measure::default() };
    let work = Work { expected, copying: false, settle_ms: 0, told_every_ms: 0 };
    let done = |items| Measure { items, ..Measure::default() };
    let first = Pace::default().look(SINCE + 100_000, done(400), &work, budget, LOOK);
    assert_eq!(first.projected_end(), None, "how long those took is not known");
    let second = first.look(SINCE + 110_000, done(500), &work, budget, LOOK);
    assert_eq!(second.projected_end(), Some(SINCE + 160_000));
}

/// Objects of these sizes, copied in that order: each takes its requests and its bytes.
struct Objects {
    sizes: Vec<u64>,
    object_ms: f64,
    bytes_a_ms: f64,
}

impl Objects {
    fn all(&self) -> Measure {
        Measure { objects: self.sizes.len() as u64, bytes: self.sizes.iter().sum(), ..Measure::default() }
    }

    /// What is done after so many milliseconds.
    fn done(&self, after: Millis) -> Measure {
        let (mut left, mut done) = (after as f64, Measure::default());
        for size in &self.sizes {
            left -= self.object_ms + *size as f64 / self.bytes_a_ms;
            if left < 0.0 {
                break;
            }
            done.objects += 1;
            done.bytes += size;
        }
        done
    }

    /// Looks 50 times within the budget, until all that there is was told of; whether it was turned back.
    fn is_turned_back(&self, allowed: Millis, drain: Millis, told_every_ms: Millis) -> bool {
        let (budget, every) = (Budget { since: SINCE, deadline: SINCE + allowed }, allowed / 50);
        let work = Work { expected: self.all(), copying: true, settle_ms: 0, told_every_ms };
        let mut pace = Pace::begin(SINCE + drain, None);
        let told = |at: Millis| (at - drain) / told_every_ms.max(1) * told_every_ms.max(1);
        let looks = (1..).map(|look| drain + look * every).map(|at| (at, self.done(told(at))));
        looks.take_while(|(at, done)| *at < allowed && *done != self.all()).any(|(at, done)| {
            pace = pace.look(SINCE + at, done, &work, budget, every);
            pace.is_hopeless()
        })
    }
}

/// A move that takes 5 s was turned back from a budget of 6 s: "projected 28 s, copied 7000 of 246609 bytes".
#[test]
fn many_small_objects_are_not_judged_by_their_bytes_in_the_first_moments() {
    let sizes: Vec<u64> = (0..127)
        .map(|n| {
            if n < 50 {
                140
            } else if n < 126 {
                3_111
            } else {
                3_173
            }
        })
        .collect();
    let objects = Objects { sizes, object_ms: 12.0, bytes_a_ms: 50_000.0 };
    assert_eq!(objects.all(), Measure { items: 0, objects: 127, bytes: 246_609 });
    assert_eq!(objects.done(602), Measure { items: 0, objects: 50, bytes: 7_000 });
    assert!(!objects.is_turned_back(6_000, 1_500, 0));
    assert!(!objects.is_turned_back(6_000, 1_500, 250), "nor when its progress is told four times a second");
}

#[test]
fn progress_that_is_told_late_is_not_taken_for_none() {
    // All is done after 2.5 s, and told once a second.
    let objects = Objects { sizes: vec![1_000; 2_000], object_ms: 1.25, bytes_a_ms: 50_000.0 };
    assert!(!objects.is_turned_back(3_500, 500, 1_000));
}

proptest! {
    /// Whatever an object costs beside its bytes (within what stores ask for), and in whatever order they come, if none is a large part
    /// of the whole.
    #[test]
    fn a_bucket_on_course_is_never_turned_back(
        sizes in prop::collection::vec(prop_oneof![0u64..4_000, 0u64..400_000, 0u64..4_000_000], 200..500),
        object_ms in 1.0f64..300.0,
        object_bytes in (OBJECT_AT_LEAST as f64)..(OBJECT_AT_MOST as f64),
        spare in 40i64..200,
    ) {
        let objects = Objects { sizes, object_ms, bytes_a_ms: object_bytes / object_ms };
        let all = objects.all();
        let takes = object_ms * all.objects as f64 + all.bytes as f64 / objects.bytes_a_ms;
        // What looking for changes and reading back take is not copied here: `spare` is there for it.
        prop_assert!(!objects.is_turned_back(takes as Millis * (100 + spare) / 100 + 100, 0, 0));
    }

    #[test]
    fn a_bucket_that_can_not_make_it_is_turned_back_before_the_deadline(
        size in 0u64..4_000_000, number in 500usize..2_000, object_ms in 1.0f64..300.0, share in 20i64..60,
    ) {
        let objects = Objects { sizes: vec![size; number], object_ms, bytes_a_ms: 50_000.0 };
        let takes = (object_ms + size as f64 / 50_000.0) * number as f64;
        prop_assert!(objects.is_turned_back(takes as Millis * share / 100, 0, 0));
    }
}
