//! In virtual time: whatever the requests and however the limits change, no stretch of time sees more than they allow.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;
use serde_json::Value;
use tokio::task::LocalSet;

use super::*;
use crate::progress::{Checkpoints, Tally};

fn table(name: &str) -> Place {
    Place::Dynamodb {
        region: "eu-west-1".to_owned(),
        endpoint: None,
        table: name.to_owned(),
        index: "by-tenant".to_owned(),
        index_key: "tenant_shard".to_owned(),
        shard_count: 1,
    }
}

fn scopes_of(place: &Place) -> Vec<String> {
    let Place::Dynamodb { region, table, .. } = place else { return Vec::new() };
    vec!["overall".to_owned(), format!("region:{region}"), format!("table:{table}")]
}

fn writes(limits: &[(&str, f64)]) -> BTreeMap<String, Rates> {
    let rates = |writes| Rates { writes: Some(writes), ..Rates::default() };
    limits.iter().map(|(scope, rate)| ((*scope).to_owned(), rates(*rate))).collect()
}

fn in_virtual_time<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime without I/O");
    LocalSet::new().block_on(&runtime, work)
}

/// When each request was sent, in seconds, and its units.
type Sent = Rc<RefCell<Vec<(f64, f64)>>>;

/// Sends requests of these units one after another, in as many lanes as there are lists.
async fn send(limits: &Arc<Limits>, place: &Place, lanes: Vec<Vec<u64>>, start: Instant, sent: &Sent) {
    let limiter = limits.limiter(place, Kind::Writes);
    let lanes = lanes.into_iter().map(|lane| {
        let (limiter, sent) = (limiter.clone(), Rc::clone(sent));
        tokio::task::spawn_local(async move {
            for units in lane {
                limiter.pass(units, &Heartbeat::unheard()).await.expect("nothing ends it");
                sent.borrow_mut().push((start.elapsed().as_secs_f64(), units as f64));
            }
        })
    });
    for lane in lanes.collect::<Vec<_>>() {
        lane.await.expect("a lane does not panic");
    }
}

/// The most by which any stretch of time has seen more than `allowed` (its units from one time to another) and one request.
fn excess(sent: &[(f64, f64)], allowed: impl Fn(f64, f64) -> f64) -> f64 {
    let mut most = f64::MIN;
    for (first, (from, _)) in sent.iter().enumerate() {
        let (mut units, mut largest) = (0.0, 0.0_f64);
        for (to, more) in &sent[first..] {
            units += more;
            largest = largest.max(*more);
            most = most.max(units - largest - allowed(*from, *to));
        }
    }
    most
}

const LATE: f64 = 0.02 + 0.001;

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// The table's limit is changed while it works, up and down; that of everything stays.
    #[test]
    fn no_stretch_of_time_sees_more_than_what_is_allowed(
        lanes in prop::collection::vec(prop::collection::vec(1_u64..60, 1..40), 1..6),
        rates in prop::collection::vec(5.0_f64..2_000.0, 1..5),
        every in 0.3_f64..2.0,
        overall in 5.0_f64..2_000.0,
    ) {
        let sent = in_virtual_time(async {
            let (limits, sent, start) = (Arc::new(Limits::default()), Sent::default(), Instant::now());
            let set = |rate: f64| limits.set(&writes(&[("overall", overall), ("table:issues", rate)]), scopes_of);
            set(rates[0]);
            let place = table("issues");
            let work = send(&limits, &place, lanes.clone(), start, &sent);
            let changes = async {
                for (n, rate) in rates.iter().enumerate().skip(1) {
                    tokio::time::sleep_until(start + Duration::from_secs_f64(every * n as f64)).await;
                    set(*rate);
                }
            };
            tokio::join!(work, changes);
            sent.take()
        });
        prop_assert_eq!(sent.len(), lanes.iter().map(Vec::len).sum::<usize>(), "none is lost");
        let by_table = |from: f64, to: f64| {
            let last = rates.len() - 1;
            rates.iter().enumerate().map(|(n, rate)| {
                let begins = every * n as f64;
                let ends = if n == last { f64::INFINITY } else { every * (n + 1) as f64 };
                // A late timer may have been made good from a time with a higher rate.
                rate * (to.min(ends) - (from - LATE).max(begins)).max(0.0)
            }).sum::<f64>() + rates.iter().fold(0.0, |most: f64, rate| most.max(*rate)) * LATE
        };
        prop_assert!(excess(&sent, by_table) <= 1e-6, "{} too many: {sent:?}", excess(&sent, by_table));
        let overall = |from: f64, to: f64| overall * (to - from + LATE);
        prop_assert!(excess(&sent, overall) <= 1e-6, "{} too many: {sent:?}", excess(&sent, overall));
    }

    /// And what is allowed is used: requests that wait are sent as soon as it allows them.
    #[test]
    fn what_is_allowed_is_used(lanes in prop::collection::vec(prop::collection::vec(1_u64..60, 1..40), 1..6), rate in 5.0_f64..2_000.0) {
        let took = in_virtual_time(async {
            let (limits, start) = (Arc::new(Limits::default()), Instant::now());
            limits.set(&writes(&[("table:issues", rate)]), scopes_of);
            send(&limits, &table("issues"), lanes.clone(), start, &Sent::default()).await;
            start.elapsed().as_secs_f64()
        });
        let units: u64 = lanes.iter().flatten().sum();
        prop_assert!(took <= units as f64 / rate + 0.002, "{took} s for {units} units at {rate}/s");
    }
}

#[test]
fn a_limit_smaller_than_a_request_lets_it_through_late() {
    in_virtual_time(async {
        let (limits, sent, start) = (Arc::new(Limits::default()), Sent::default(), Instant::now());
        limits.set(&writes(&[("region:eu-west-1", 1.0)]), scopes_of);
        send(&limits, &table("issues"), vec![vec![400, 1]], start, &sent).await;
        let sent = sent.borrow();
        assert!(sent[0].0 < 0.001 && (399.9..400.1).contains(&sent[1].0), "{sent:?}");
    });
}

#[test]
fn a_change_is_felt_by_those_who_wait_and_taking_it_away_lets_all_go() {
    in_virtual_time(async {
        let (limits, start) = (Arc::new(Limits::default()), Instant::now());
        limits.set(&writes(&[("table:issues", 1.0)]), scopes_of);
        let sent = Sent::default();
        let (issues, other) = (table("issues"), table("other"));
        let work = send(&limits, &issues, vec![vec![1_000, 1_000], vec![1_000, 1]], start, &sent);
        let change = async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            // Nobody else waits for it.
            let elsewhere = Sent::default();
            send(&limits, &other, vec![vec![5, 5]], start, &elsewhere).await;
            assert!(elsewhere.borrow().iter().all(|(at, _)| *at < 10.1), "{elsewhere:?}");
            limits.set(&writes(&[("table:issues", 1_000.0)]), scopes_of);
            tokio::time::sleep(Duration::from_secs_f64(1.8)).await;
            limits.set(&BTreeMap::new(), scopes_of);
        };
        tokio::join!(work, change);
        let sent: Vec<f64> = sent.borrow().iter().map(|(at, _)| *at).collect();
        // What was owed, 990 units, is earned within a second; the rest goes at once when nothing limits any more.
        assert!((10.9..11.6).contains(&sent[1]) && (11.7..12.5).contains(&sent[2]) && sent[3] < 12.5, "{sent:?}");
    });
}

#[test]
fn tables_under_one_limit_take_turns() {
    for rate in [1.0, 100.0, 5_000.0] {
        in_virtual_time(async {
            let (limits, start) = (Arc::new(Limits::default()), Instant::now());
            limits.set(&writes(&[("overall", rate)]), scopes_of);
            let (issues, other) = (table("issues"), table("other"));
            let (one, two) = (Sent::default(), Sent::default());
            let lanes = || vec![vec![10; 20]; 4];
            tokio::join!(send(&limits, &issues, lanes(), start, &one), send(&limits, &other, lanes(), start, &two));
            let (one, two) = (one.borrow(), two.borrow());
            for (n, (at, _)) in one.iter().enumerate() {
                let others = two.iter().filter(|(other, _)| other < at).count();
                // As many wait at each at a time.
                assert!(others.abs_diff(n) <= 4, "{n} of one and {others} of the other by {at}, at {rate}/s");
            }
        });
    }
}

/// Work that has begun to wait, and is not polled while it does something else that waits itself.
#[test]
fn whoever_is_not_there_to_take_its_turn_holds_nobody_up() {
    in_virtual_time(async {
        let (limits, start) = (Arc::new(Limits::default()), Instant::now());
        limits.set(&writes(&[("table:issues", 100.0)]), scopes_of);
        let (issues, sent) = (table("issues"), Sent::default());
        let limiter = limits.limiter(&issues, Kind::Writes);
        limiter.pass(10, &Heartbeat::unheard()).await.expect("it is free");
        let heartbeat = Heartbeat::unheard();
        let mut asleep = std::pin::pin!(limiter.pass(10, &heartbeat));
        assert!(futures::poll!(&mut asleep).is_pending());
        send(&limits, &issues, vec![vec![10; 20]; 2], start, &sent).await;
        let took = sent.borrow().last().map(|(at, _)| *at).expect("all were sent");
        assert!((4.0..4.3).contains(&took), "{took} s for 400 units");
        asleep.await.expect("its turn comes");
        assert!(start.elapsed().as_secs_f64() < 4.5);
    });
}

#[test]
fn many_that_wait_for_a_slow_table_do_not_hold_up_another_under_the_same_limit() {
    in_virtual_time(async {
        let (limits, start) = (Arc::new(Limits::default()), Instant::now());
        limits.set(&writes(&[("overall", 1_000.0), ("table:issues", 10.0)]), scopes_of);
        let (issues, other) = (table("issues"), table("other"));
        let (slow, fast) = (Sent::default(), Sent::default());
        tokio::join!(
            send(&limits, &issues, vec![vec![10, 10]; 20], start, &slow),
            send(&limits, &other, vec![vec![10; 50]; 2], start, &fast)
        );
        let took = |sent: &Sent| sent.borrow().last().map(|(at, _)| *at).expect("all were sent");
        assert!(
            (1.0..1.1).contains(&took(&fast)) && (39.0..39.5).contains(&took(&slow)),
            "{} {}",
            took(&fast),
            took(&slow)
        );
    });
}

#[test]
fn nothing_is_sent_before_the_time_whatever_the_rate() {
    in_virtual_time(async {
        let (limits, start) = (Arc::new(Limits::default()), Instant::now());
        let set = |rate: f64| {
            let rates = Rates { writes: Some(rate), reads: None, not_before: Some(start + Duration::from_secs(2)) };
            limits.set(&BTreeMap::from([("overall".to_owned(), rates)]), scopes_of);
        };
        set(1_000.0);
        let sent = Sent::default();
        let issues = table("issues");
        let lower = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            set(1.0);
        };
        tokio::join!(send(&limits, &issues, vec![vec![1, 1]], start, &sent), lower);
        let sent = sent.borrow();
        assert!((2.0..2.01).contains(&sent[0].0) && (2.9..3.01).contains(&sent[1].0), "{sent:?}");
    });
}

#[test]
fn what_took_more_than_was_thought_is_owed_and_half_units_count_half() {
    in_virtual_time(async {
        let (limits, start) = (Arc::new(Limits::default()), Instant::now());
        let reads = Rates { reads: Some(100.0), ..Rates::default() };
        limits.set(&BTreeMap::from([("table:issues".to_owned(), reads)]), scopes_of);
        let (items, heedless) =
            (limits.limiter(&table("issues"), Kind::Reads), limits.limiter(&table("issues"), Kind::Writes));
        let index = items.in_half_units();
        assert_eq!((items.piece(), index.piece(), heedless.piece()), (Some(20), Some(40), None));
        let pass = async |limiter: &RateLimiter, units| {
            limiter.pass(units, &Heartbeat::unheard()).await.expect("nothing ends it");
            (start.elapsed().as_secs_f64() * 10.0).round() / 10.0
        };
        assert_eq!(pass(&items, 1).await, 0.0);
        items.took_more(99);
        assert_eq!(pass(&index, 100).await, 1.0);
        index.took_more(100);
        assert_eq!((pass(&heedless, 1_000).await, pass(&items, 1).await), (1.0, 2.0));
    });
}

struct Alive {
    beats: AtomicU32,
    ends_at: u32,
}

#[async_trait::async_trait]
impl Checkpoints for Alive {
    async fn save(&self, _: Value, _: Tally) -> Result<(), WorkError> {
        Ok(())
    }

    async fn alive(&self) -> Result<(), WorkError> {
        let beats = self.beats.fetch_add(1, Ordering::SeqCst) + 1;
        if beats < self.ends_at { Ok(()) } else { Err(WorkError::lost_lease("gone")) }
    }
}

#[test]
fn waiting_gives_heartbeats_and_ends_with_the_lease() {
    in_virtual_time(async {
        let (limits, start) = (Arc::new(Limits::default()), Instant::now());
        limits.set(&writes(&[("overall", 1.0)]), scopes_of);
        let limiter = limits.limiter(&table("issues"), Kind::Writes);
        let alive = || Alive { beats: AtomicU32::new(0), ends_at: 30 };
        let (first, second) = (alive(), alive());
        let every = Duration::from_secs(1);
        let (first_pulse, second_pulse) = (Heartbeat::new(&first, every), Heartbeat::new(&second, every));
        limiter.pass(1_000, &first_pulse).await.expect("it is free");
        // One waits for the limit, the other for its turn after it.
        let (one, other) = tokio::join!(limiter.pass(1, &first_pulse), limiter.pass(1, &second_pulse));
        assert!(one.is_err() && other.is_err());
        assert_eq!(start.elapsed().as_secs(), 30);
    });
}
