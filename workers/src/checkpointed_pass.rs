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
use crate::fingerprint::{Fingerprint, MOST_MARKS, Mark};
use crate::heartbeat::Heartbeat;
use crate::progress::{self, Checkpoints, Notes, Tally};

const VERSION: u32 = 1;

/// What is being done. Stored: names are never renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Operation {
    Copy,
    Digest,
    Verify,
    Compare,
    /// Holding a replica that is left against a copy that stays.
    Leave,
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
    /// What this pass has read up to the cursor that is in no tally.
    #[serde(default)]
    besides: Tally,
    /// The furthest tally of the operation, for displays: never goes back.
    done: Tally,
    /// What this pass has listed up to the cursor.
    #[serde(default)]
    listed: Listed,
    /// What the complete pass before had listed.
    #[serde(default)]
    previous_listed: Option<Listed>,
    /// How many passes there were before this one.
    #[serde(default)]
    pass: u32,
    /// How many chunks of marks this pass has noted up to the checkpoint.
    #[serde(default)]
    chunks: u32,
    /// The pass in which everything in the tally was noted; `None` if it was not, as in a pass that an older version began.
    #[serde(default)]
    noted: Option<u32>,
    /// The same of the tally of the complete pass before.
    #[serde(default)]
    previous_noted: Option<u32>,
}

/// Marks of the current pass that are not kept yet.
#[derive(Default)]
struct Unkept {
    /// Up to the cursor.
    upto: Vec<Mark>,
    /// Beyond it: a resumed run would note them again.
    beyond: Vec<Mark>,
}

pub(crate) struct Run<'a> {
    state: State,
    /// Tally of this pass, including work after the cursor that a resumed run would do again.
    tally: Tally,
    /// What this pass has read and not tallied, likewise.
    besides: Tally,
    /// What this pass has listed, likewise.
    listed: Listed,
    /// `None` where nothing is noted.
    unkept: Option<Unkept>,
    /// Everything that a comparison has seen in this pass.
    seen: Option<Fingerprint>,
    /// How many times something was noted as about to be deleted, which of them is being deleted, and which are deleted and not kept as
    /// such.
    doomed: u32,
    deleting: Option<u32>,
    deleted: Vec<u32>,
    checkpoints: &'a dyn Checkpoints,
    heartbeat: Arc<Heartbeat<'a>>,
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
            besides: Tally::default(),
            done: Tally::default(),
            listed: Listed::default(),
            previous_listed: None,
            pass: 0,
            chunks: 0,
            noted: Some(0),
            previous_noted: None,
        };
        let state = match resume.filter(|value| !value.is_null()).map(serde_json::from_value::<State>) {
            None => fresh,
            Some(Ok(state)) if state.version == VERSION && state.operation == operation => state,
            Some(_) => {
                tracing::warn!(?operation, "a checkpoint could not be read as one of this operation: starting over");
                fresh
            }
        };
        let heartbeat = Arc::new(Heartbeat::new(checkpoints, every));
        let notes = matches!(operation, Operation::Copy | Operation::Compare) && checkpoints.keeps_notes();
        Self {
            tally: state.tally,
            besides: state.besides,
            listed: state.listed,
            unkept: notes.then(Unkept::default),
            seen: (operation == Operation::Compare).then(Fingerprint::default),
            doomed: 0,
            deleting: None,
            deleted: Vec::new(),
            state,
            checkpoints,
            heartbeat,
            every,
            saved: Instant::now(),
        }
    }

    /// Takes up what a comparison had seen before it was interrupted; if that was not kept, it begins anew.
    pub(crate) async fn recall(&mut self) -> Result<(), WorkError> {
        if self.state.cursor.is_none() {
            return Ok(());
        }
        match self.checkpoints.noted(self.state.pass, self.state.chunks).await? {
            Some(seen) if self.state.noted.is_some() => self.seen = Some(seen),
            _ => {
                (self.tally, self.besides, self.listed) = Default::default();
                let (tally, besides, listed) = (self.tally, self.besides, self.listed);
                let noted = Some(0);
                self.state = State { cursor: None, chunks: 0, noted, tally, besides, listed, ..self.state.clone() };
            }
        }
        Ok(())
    }

    /// What a comparison has seen in this pass.
    pub(crate) fn seen(&self) -> Fingerprint {
        self.seen.clone().unwrap_or_default().within(MOST_MARKS)
    }

    /// Where the work between two checkpoints gives heartbeats.
    pub(crate) fn heartbeat(&self) -> Arc<Heartbeat<'a>> {
        Arc::clone(&self.heartbeat)
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

    /// Tally of the current pass with what it counts nowhere: all that is there.
    pub(crate) fn dealt_with(&self) -> Tally {
        let mut all = self.tally;
        all.merge(&self.besides);
        all
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

    /// Notes items that are counted.
    pub(crate) fn note(&mut self, marks: impl IntoIterator<Item = Mark>) {
        let marks = marks.into_iter().inspect(|mark| {
            if let Some(seen) = &mut self.seen {
                seen.add(*mark);
            }
        });
        match &mut self.unkept {
            Some(unkept) => unkept.beyond.extend(marks),
            None => marks.for_each(drop),
        }
    }

    /// This pass counts what the pass before did, without reading it again.
    pub(crate) fn count_as_before(&mut self) {
        self.tally = self.state.previous.unwrap_or_default();
        self.state.noted = self.state.previous_noted;
    }

    /// Keeps marks of what is about to be deleted before it is, so that whoever looks later knows what has become of it.
    pub(crate) async fn doom(&mut self, marks: Vec<Mark>) -> Result<(), WorkError> {
        if !self.checkpoints.keeps_notes() {
            return Ok(());
        }
        self.doomed += 1;
        self.deleting = Some(self.doomed);
        let doomed = Some((self.doomed, marks));
        self.save_noting(Notes { doomed, ..Notes::default() }).await
    }

    /// What was about to be deleted is.
    pub(crate) fn doomed_is_deleted(&mut self) {
        self.deleted.extend(self.deleting.take());
    }

    /// The operation is done: keeps what is noted and not kept yet, and of the passes only the one that the tally is of.
    pub(crate) async fn finish(&mut self) -> Result<(), WorkError> {
        if !self.checkpoints.keeps_notes() {
            return Ok(());
        }
        let mut notes = Notes::default();
        if let Some(unkept) = &mut self.unkept {
            let (pass, chunk) = (self.state.pass, self.state.chunks);
            notes.seen = vec![(pass, chunk, std::mem::take(&mut unkept.upto))];
            notes.seen.push((pass, chunk + 1, std::mem::take(&mut unkept.beyond)));
            // What is beyond the cursor is no part of the checkpoint.
            self.state.chunks += 1;
            notes.wanted = vec![self.state.noted.unwrap_or(u32::MAX)];
        }
        self.save_noting(notes).await
    }

    /// Counts items that are dealt with and in no tally, because they expire: for displays and forecasts, which reckon with
    /// everything that is listed.
    pub(crate) fn pass_over(&mut self, more: &Tally) {
        self.besides.merge(more);
    }

    /// Everything up to `cursor` is done and counted. Saves when a checkpoint is due.
    pub(crate) async fn reached(&mut self, cursor: Value) -> Result<(), WorkError> {
        self.state.cursor = Some(cursor);
        self.state.tally = self.tally;
        self.state.besides = self.besides;
        self.state.listed = self.listed;
        if let Some(unkept) = &mut self.unkept {
            unkept.upto.append(&mut unkept.beyond);
        }
        // However much there is, little of it is held.
        self.seen = self.seen.take().map(|seen| seen.within(MOST_MARKS));
        self.note_done();
        if self.saved.elapsed() < self.every { Ok(()) } else { self.save().await }
    }

    /// Whether the work is to stop as soon as no request of its is on its way.
    pub(crate) fn wanted_back(&self) -> impl Fn() -> bool + Clone + Send + Sync + 'a + use<'a> {
        let checkpoints = self.checkpoints;
        move || checkpoints.is_wanted_back()
    }

    /// Saves and ends the work if it is wanted back. No request of its may be on its way.
    pub(crate) async fn hand_over_if_wanted(&mut self) -> Result<(), WorkError> {
        if !self.checkpoints.is_wanted_back() {
            return Ok(());
        }
        self.save().await?;
        Err(progress::handed_over())
    }

    /// Begins the next pass and saves; the pass that ends becomes `previous`.
    pub(crate) async fn enter(&mut self, stage: Stage, round: u32) -> Result<(), WorkError> {
        self.note_done();
        self.state.previous = Some(std::mem::take(&mut self.tally));
        self.state.previous_listed = Some(std::mem::take(&mut self.listed));
        self.besides = Tally::default();
        self.seen = self.seen.take().map(|_| Fingerprint::default());
        (self.state.tally, self.state.besides, self.state.listed) = (self.tally, self.besides, self.listed);
        let (pass, chunk) = (self.state.pass, self.state.chunks);
        self.state = State {
            stage,
            round,
            cursor: None,
            pass: pass + 1,
            chunks: 0,
            noted: Some(pass + 1),
            previous_noted: self.state.noted,
            ..self.state.clone()
        };
        let Some(unkept) = &mut self.unkept else { return self.save().await };
        let mut marks = std::mem::take(&mut unkept.upto);
        marks.append(&mut unkept.beyond);
        let wanted = self.state.previous_noted.into_iter().chain([pass, pass + 1]).collect();
        self.save_noting(Notes { seen: vec![(pass, chunk, marks)], wanted, ..Notes::default() }).await
    }

    /// Begins the next pass and saves; the tally runs on.
    pub(crate) async fn again(&mut self, round: u32) -> Result<(), WorkError> {
        self.note_done();
        let (tally, besides, listed) = (self.tally, self.besides, self.listed);
        self.state = State { round, cursor: None, tally, besides, listed, ..self.state.clone() };
        self.save().await
    }

    /// What a look at the source counts is not done: some of it may have come since it was copied.
    fn note_done(&mut self) {
        if self.state.stage == Stage::Checking {
            return;
        }
        let dealt_with = self.dealt_with();
        if dealt_with.items + dealt_with.objects >= self.state.done.items + self.state.done.objects {
            self.state.done = dealt_with;
        }
    }

    async fn save(&mut self) -> Result<(), WorkError> {
        let mut notes = Notes::default();
        if let Some(unkept) = &mut self.unkept
            && !unkept.upto.is_empty()
        {
            notes.seen.push((self.state.pass, self.state.chunks, std::mem::take(&mut unkept.upto)));
            self.state.chunks += 1;
        }
        self.save_noting(notes).await
    }

    async fn save_noting(&mut self, mut notes: Notes) -> Result<(), WorkError> {
        notes.deleted = std::mem::take(&mut self.deleted);
        let resume = serde_json::to_value(&self.state).expect("a checkpoint is plain data with text keys");
        self.checkpoints.save_noting(resume, self.state.done, notes).await?;
        self.saved = Instant::now();
        self.heartbeat.saved();
        Ok(())
    }
}

#[cfg(test)]
mod stored;
