//! What a mover notes, kept as a catalogue would.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use async_trait::async_trait;
use serde_json::Value;
use workers::error::WorkError;
use workers::fingerprint::{Fingerprint, Mark};
use workers::late_writes::{Difference, Known, Late};
use workers::progress::{Checkpoints, Notes, Tally};

/// Keeps notes as a catalogue would, and loses the lease after a number of checkpoints.
#[derive(Default)]
pub(crate) struct Notebook {
    kept: Mutex<Pages>,
    left: Mutex<usize>,
}

#[derive(Default)]
struct Pages {
    resume: Option<Value>,
    seen: BTreeMap<(u32, u32), Vec<Mark>>,
    doomed: BTreeMap<(usize, u32), Vec<Mark>>,
    deleted: Vec<Mark>,
    found: Vec<Difference>,
    /// How many runs there were before.
    run: usize,
}

impl Notebook {
    /// For the next run.
    pub(crate) fn until(&self, most: usize) -> Option<Value> {
        *self.left.lock().unwrap() = most;
        let mut kept = self.kept.lock().unwrap();
        kept.run += 1;
        kept.resume.clone()
    }

    pub(crate) fn items(&self) -> Fingerprint {
        self.kept.lock().unwrap().seen.values().flatten().copied().collect()
    }

    pub(crate) fn known(&self, tally: Tally, items: Fingerprint) -> Known {
        let kept = self.kept.lock().unwrap();
        let doomed = kept.doomed.values().flatten().copied().collect();
        let deleted = kept.deleted.iter().copied().collect();
        Known { tally, items: Some(items), deleted, doomed, unread: None, begun: true }
    }

    /// What was found, as the catalogue keeps it for a removal.
    pub(crate) fn found_marks(&self) -> Fingerprint {
        self.kept.lock().unwrap().found.iter().filter_map(|one| one.mark).collect()
    }

    /// What was found, which is forgotten.
    pub(crate) fn found(&self) -> BTreeSet<(Late, String)> {
        let found = std::mem::take(&mut self.kept.lock().unwrap().found);
        found.iter().map(|one| (one.kind, Difference::key_in_words(&one.key))).collect()
    }
}

#[async_trait]
impl Checkpoints for Notebook {
    async fn save(&self, resume: Value, done: Tally) -> Result<(), WorkError> {
        self.save_noting(resume, done, Notes::default()).await
    }

    fn keeps_notes(&self) -> bool {
        true
    }

    async fn save_noting(&self, resume: Value, _: Tally, notes: Notes) -> Result<(), WorkError> {
        let mut left = self.left.lock().unwrap();
        *left = left.checked_sub(1).ok_or_else(|| WorkError::lost_lease("the test took the lease away"))?;
        let mut kept = self.kept.lock().unwrap();
        let run = kept.run;
        kept.resume = Some(resume);
        for (pass, chunk, marks) in notes.seen {
            kept.seen.retain(|(of, number), _| *of != pass || *number < chunk);
            kept.seen.insert((pass, chunk), marks);
        }
        if !notes.wanted.is_empty() {
            kept.seen.retain(|(pass, _), _| notes.wanted.contains(pass));
        }
        for number in notes.deleted {
            let deleted = kept.doomed.remove(&(run, number)).unwrap();
            kept.deleted.extend(deleted);
        }
        if let Some((number, marks)) = notes.doomed {
            assert!(kept.doomed.insert((run, number), marks).is_none(), "a number is used once");
        }
        Ok(())
    }

    async fn noted(&self, pass: u32, chunks: u32) -> Result<Option<Fingerprint>, WorkError> {
        let kept = self.kept.lock().unwrap();
        let upto = kept.seen.range((pass, 0)..(pass, chunks));
        Ok(Some(upto.flat_map(|(_, marks)| marks).copied().collect()))
    }

    async fn found(&self, first: bool, differences: &[Difference]) -> Result<(), WorkError> {
        let mut kept = self.kept.lock().unwrap();
        if first {
            kept.found.clear();
        }
        kept.found.extend_from_slice(differences);
        Ok(())
    }

    async fn alive(&self) -> Result<(), WorkError> {
        Ok(())
    }
}
