//! Work that is made hard: stores that fail in every way that a network has, and processes that die in the middle of it. It is
//! resumed from its last checkpoint until it is done, and each checkpoint is compared with what is really there.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use testkit::fault_proxies::faults::{Effect, Fault, Faults, Latency, Odds};
use workers::error::{Treatment, WorkError};
use workers::progress::{Checkpoints, Tally};
use workers::{CredentialsFrom, Movers, Settings};

/// The wait between two looks; indexes are behind by less.
pub(crate) const SETTLE: Duration = Duration::from_millis(25);
/// Each piece of work is cut off so often, and after that goes on until it is done.
const CUTS: u64 = 5;
/// The first time it is cut off after up to this many polls, then after at most twice as many, and so on.
const FEW_POLLS: u64 = 15;
const MOST_TURNS: u64 = 200;

/// Those of a process that has just started, that waits for no store long.
fn new_movers() -> Movers {
    let settings = Settings {
        index_settle: SETTLE,
        attempt_timeout: Duration::from_millis(300),
        connect_timeout: Duration::from_millis(300),
        multipart_threshold: 4 << 10,
        attempts: 2,
        page_keys: 10,
        ..super::settings()
    };
    Movers::new(CredentialsFrom::Fixed(testkit::region::credentials()), settings)
}

/// Every kind of fault, and delays.
pub(crate) fn odds() -> Odds {
    let mut odds = Odds::of_each(0.15);
    odds.faults.extend([(Fault::Timeout(Effect::None), 0.006), (Fault::Timeout(Effect::Done), 0.006)]);
    let millis = Duration::from_millis;
    odds.with_latency(Latency { usual: (millis(0), millis(1)), long: (millis(5), millis(20)), share_long: 0.05 })
}

/// What happened in all runs: proof that the work was hard.
#[derive(Debug, Default)]
pub(crate) struct Hardship {
    faults: Mutex<BTreeMap<Fault, u64>>,
    cuts: AtomicU64,
    given_up: AtomicU64,
    resumed: AtomicU64,
}

impl Hardship {
    pub(crate) fn met(&self, front: &Faults) {
        let mut faults = self.faults.lock().unwrap();
        front.happened().into_iter().for_each(|(fault, times)| *faults.entry(fault).or_default() += times);
    }

    /// Each kind of fault happened at least so often, and so often work was cut off and resumed from a checkpoint.
    pub(crate) fn was_real(&self, times: u64) {
        println!("{self:?}");
        let faults = self.faults.lock().unwrap();
        for (fault, _) in odds().faults {
            assert!(faults.get(&fault).is_some_and(|seen| *seen >= times), "{fault:?} is missing: {faults:?}");
        }
        for (what, seen) in [("cut off", &self.cuts), ("resumed", &self.resumed)] {
            assert!(seen.load(Ordering::SeqCst) >= times, "{what}: {seen:?}");
        }
    }

    /// How often a store failed for longer than the work was patient.
    pub(crate) fn given_up(&self) -> u64 {
        self.given_up.load(Ordering::SeqCst)
    }

    /// Does the work until it is done: cut off at points drawn by `seed`, given up when a store fails for too long, and each time
    /// begun by a new process from the last checkpoint, as `resume` has it.
    pub(crate) async fn persist<T>(
        &self,
        (seed, what): (u64, &str),
        resume: impl Fn() -> Option<Value>,
        work: impl AsyncFn(Movers, Option<Value>) -> Result<T, WorkError>,
    ) -> T {
        for turn in 0..MOST_TURNS {
            let polls = if turn < CUTS { 1 + drawn(seed, what, turn) % (FEW_POLLS << turn) } else { u64::MAX };
            let resume = resume();
            self.resumed.fetch_add(u64::from(resume.is_some()), Ordering::SeqCst);
            match cut_off(Box::pin(work(new_movers(), resume)), polls).await {
                Some(Ok(done)) => return done,
                Some(Err(error)) => {
                    assert_eq!(error.treatment, Treatment::Retryable, "seed {seed}, {what}: {error:?}");
                    self.given_up.fetch_add(1, Ordering::SeqCst);
                }
                None => {
                    self.cuts.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
        panic!("seed {seed}, {what}: it gets nowhere");
    }
}

/// A number that follows from these.
fn drawn(seed: u64, what: &str, turn: u64) -> u64 {
    let hash = blake3::hash(format!("{seed} {what} {turn}").as_bytes());
    u64::from_le_bytes(hash.as_bytes()[..8].try_into().unwrap())
}

/// Drops the work after so many polls, wherever it is by then, as the end of its process does.
async fn cut_off<T>(work: impl Future<Output = T>, polls: u64) -> Option<T> {
    let (mut work, mut left) = (pin!(work), polls);
    poll_fn(|context| {
        let Some(fewer) = left.checked_sub(1) else { return Poll::Ready(None) };
        left = fewer;
        work.as_mut().poll(context).map(Some)
    })
    .await
}

/// How much of a piece of work has really been done, counted by the plain SDK.
#[async_trait]
pub(crate) trait Count: Send + Sync {
    async fn done(&self) -> u64;
}

/// The last checkpoint of a piece of work. None may claim more than has been done.
pub(crate) struct Watched<'a> {
    last: Mutex<Option<(Value, u64)>>,
    count: &'a dyn Count,
}

impl<'a> Watched<'a> {
    pub(crate) fn by(count: &'a dyn Count) -> Self {
        Self { last: Mutex::default(), count }
    }

    pub(crate) fn resume(&self) -> Option<Value> {
        self.last.lock().unwrap().as_ref().map(|(resume, _)| resume.clone())
    }
}

#[async_trait]
impl Checkpoints for Watched<'_> {
    async fn save(&self, resume: Value, done: Tally) -> Result<(), WorkError> {
        let claimed = done.items + done.objects;
        let really = self.count.done().await;
        assert!(claimed <= really, "a checkpoint claims {claimed} where {really} are done: {resume}");
        let mut last = self.last.lock().unwrap();
        assert!(last.as_ref().is_none_or(|(_, before)| *before <= claimed), "progress went back");
        *last = Some((resume, claimed));
        Ok(())
    }

    async fn alive(&self) -> Result<(), WorkError> {
        Ok(())
    }
}
