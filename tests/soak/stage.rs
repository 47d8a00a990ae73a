//! What all parts of a run share: the API, what goes wrong, what has been counted, and when to stop.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::api::Api;
use crate::health::Health;

/// Shared by everything that runs.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) api: Api,
    pub(crate) health: Health,
    /// No new moves from here on.
    pub(crate) enough: CancellationToken,
    /// Clients and observers end.
    pub(crate) over: CancellationToken,
    pub(crate) began: Instant,
    problems: Mutex<Vec<String>>,
    counts: Mutex<BTreeMap<String, u64>>,
    /// What struck last, and when.
    last_fault: Mutex<(String, Instant)>,
    events: Mutex<File>,
}

impl Stage {
    pub(crate) fn new(api: Api, processes: usize, events: File) -> Self {
        let now = Instant::now();
        Self {
            api,
            health: Health::new(processes),
            enough: CancellationToken::new(),
            over: CancellationToken::new(),
            began: now,
            problems: Mutex::default(),
            counts: Mutex::default(),
            last_fault: Mutex::new(("none".to_owned(), now)),
            events: Mutex::new(events),
        }
    }

    /// A promise was broken, or the run itself failed.
    pub(crate) fn problem(&self, what: String) {
        self.event(&format!("PROBLEM {what}"));
        self.problems.lock().expect("no holder of this lock panics").push(what);
    }

    pub(crate) fn problems(&self) -> Vec<String> {
        self.problems.lock().expect("no holder of this lock panics").clone()
    }

    pub(crate) fn count(&self, what: &str) {
        *self.counts.lock().expect("no holder of this lock panics").entry(what.to_owned()).or_default() += 1;
    }

    /// Everything counted under names that begin like this, without that beginning.
    pub(crate) fn counted(&self, prefix: &str) -> BTreeMap<String, u64> {
        let counts = self.counts.lock().expect("no holder of this lock panics");
        let named = counts.iter().filter_map(|(name, count)| Some((name.strip_prefix(prefix)?.to_owned(), *count)));
        named.collect()
    }

    pub(crate) fn total(&self, prefix: &str) -> u64 {
        self.counted(prefix).values().sum()
    }

    /// One line in the run's own log.
    pub(crate) fn event(&self, what: &str) {
        let mut file = self.events.lock().expect("no holder of this lock panics");
        let at = self.began.elapsed().as_secs_f64();
        // A full disk must not end the run: the report says what matters.
        drop(writeln!(file, "{at:9.3} {what}"));
    }

    pub(crate) fn fault(&self, kind: &str, what: &str) {
        self.count(&format!("fault.{kind}"));
        self.event(&format!("fault {kind} {what}"));
        *self.last_fault.lock().expect("no holder of this lock panics") = (kind.to_owned(), Instant::now());
    }

    /// The last fault not longer ago than this.
    pub(crate) fn fault_within(&self, period: Duration) -> String {
        let last = self.last_fault.lock().expect("no holder of this lock panics");
        if last.1.elapsed() <= period { last.0.clone() } else { "none".to_owned() }
    }
}
