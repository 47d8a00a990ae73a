//! One run of an operation over one part: where it stands, what it has tallied, and the checkpoints it leaves.
//!
//! A checkpoint says after which page or object the current pass goes on, with the tally up to exactly there. Digests add
//! up, so a resumed pass ends in the same tally as one that was never interrupted.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use crate::digest::Digest;
use crate::error::WorkError;
use crate::progress::{Checkpoints, Tally};
use crate::pulse::Pulse;

const VERSION: u32 = 1;

/// What is being done. Stored: names are never renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Operation {
    Copy,
    Digest,
    Verify,
    Compare,
    Remove,
}

/// What kind of pass is under way. Stored: names are never renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Stage {
    /// Copying, digesting or removing.
    Working,
    /// Looking whether anything has changed since the pass before, after a wait.
    Checking,
}

/// What an index has listed, whatever is behind it: how many keys, and their order-free digest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listed {
    pub(crate) keys: u64,
    pub(crate) digest: Digest,
}

impl Listed {
    /// Adds all keys that `other` listed.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.keys += other.keys;
        self.digest.merge(&other.digest);
    }
}

/// The stored form of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    version: u32,
    operation: Operation,
    stage: Stage,
    /// How many times the operation has started over.
    round: u32,
    /// Where the pass goes on; the start when `None`.
    cursor: Option<Value>,
    /// Tally of this pass up to the cursor.
    tally: Tally,
    /// Tally of the complete pass before, for `Checking` to compare with.
    previous: Option<Tally>,
    /// The furthest tally of the operation, for displays: never goes back.
    done: Tally,
    /// What this pass has listed up to the cursor.
    #[serde(default)]
    listed: Listed,
    /// What the complete pass before had listed.
    #[serde(default)]
    previous_listed: Option<Listed>,
}

pub(crate) struct Run<'a> {
    state: State,
    /// Tally of this pass, including work after the cursor that a resumed run would do again.
    tally: Tally,
    /// What this pass has listed, likewise.
    listed: Listed,
    checkpoints: &'a dyn Checkpoints,
    pulse: Arc<Pulse<'a>>,
    every: Duration,
    saved: Instant,
}

impl<'a> Run<'a> {
    /// Starts `operation`, or resumes it. What cannot be read as a checkpoint of this operation starts it anew: that costs
    /// time and nothing else, because every operation may be repeated.
    pub(crate) fn new(
        operation: Operation,
        checkpoints: &'a dyn Checkpoints,
        every: Duration,
        resume: Option<Value>,
    ) -> Self {
        let fresh = State {
            version: VERSION,
            operation,
            stage: Stage::Working,
            round: 0,
            cursor: None,
            tally: Tally::default(),
            previous: None,
            done: Tally::default(),
            listed: Listed::default(),
            previous_listed: None,
        };
        let state = match resume.filter(|value| !value.is_null()).map(serde_json::from_value::<State>) {
            None => fresh,
            Some(Ok(state)) if state.version == VERSION && state.operation == operation => state,
            Some(_) => {
                tracing::warn!(?operation, "a checkpoint could not be read as one of this operation: starting it anew");
                fresh
            }
        };
        let pulse = Arc::new(Pulse::new(checkpoints, every));
        Self { tally: state.tally, listed: state.listed, state, checkpoints, pulse, every, saved: Instant::now() }
    }

    /// Where the work between two checkpoints gives signs of life.
    pub(crate) fn pulse(&self) -> Arc<Pulse<'a>> {
        Arc::clone(&self.pulse)
    }

    pub(crate) fn stage(&self) -> Stage {
        self.state.stage
    }

    pub(crate) fn round(&self) -> u32 {
        self.state.round
    }

    pub(crate) fn cursor(&self) -> Option<&Value> {
        self.state.cursor.as_ref()
    }

    /// Tally of the current pass.
    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }

    /// Tally of the pass before.
    pub(crate) fn previous(&self) -> Option<Tally> {
        self.state.previous
    }

    /// What the current pass has listed.
    pub(crate) fn listed(&self) -> Listed {
        self.listed
    }

    /// What the pass before had listed.
    pub(crate) fn previous_listed(&self) -> Option<Listed> {
        self.state.previous_listed
    }

    /// Counts keys that were listed.
    pub(crate) fn list(&mut self, more: &Listed) {
        self.listed.merge(more);
    }

    /// Counts work that is done.
    pub(crate) fn count(&mut self, more: &Tally) {
        self.tally.merge(more);
    }

    /// Everything up to `cursor` is done and counted. Saves when a checkpoint is due.
    pub(crate) async fn reached(&mut self, cursor: Value) -> Result<(), WorkError> {
        self.state.cursor = Some(cursor);
        self.state.tally = self.tally;
        self.state.listed = self.listed;
        self.note_done();
        if self.saved.elapsed() < self.every { Ok(()) } else { self.save().await }
    }

    /// Begins the next pass and saves; the pass that ends becomes `previous`.
    pub(crate) async fn enter(&mut self, stage: Stage, round: u32) -> Result<(), WorkError> {
        self.note_done();
        self.state.previous = Some(std::mem::take(&mut self.tally));
        self.state.previous_listed = Some(std::mem::take(&mut self.listed));
        (self.state.tally, self.state.listed) = (self.tally, self.listed);
        self.state = State { stage, round, cursor: None, ..self.state.clone() };
        self.save().await
    }

    /// Begins the next pass and saves; the tally runs on.
    pub(crate) async fn again(&mut self, round: u32) -> Result<(), WorkError> {
        self.note_done();
        self.state = State { round, cursor: None, tally: self.tally, listed: self.listed, ..self.state.clone() };
        self.save().await
    }

    /// What a look at the source counts is not done: some of it may have come since it was copied.
    fn note_done(&mut self) {
        if self.state.stage == Stage::Checking {
            return;
        }
        if self.tally.items + self.tally.objects >= self.state.done.items + self.state.done.objects {
            self.state.done = self.tally;
        }
    }

    async fn save(&mut self) -> Result<(), WorkError> {
        let resume = serde_json::to_value(&self.state).expect("a checkpoint is plain data with text keys");
        self.checkpoints.save(resume, self.state.done).await?;
        self.saved = Instant::now();
        self.pulse.saved();
        Ok(())
    }
}
