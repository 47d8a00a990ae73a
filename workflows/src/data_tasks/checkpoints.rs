//! A mover's checkpoints, stored with its task; what it notes along with them, in tables of their own; and its requests, told to
//! whoever runs the task.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use catalogue::late_writes::LateWrite;
use catalogue::{fingerprints, late_writes};
use engine::task::{Along, TaskContext, driven};
use engine::{InFlight, StepError};
use futures::future::BoxFuture;
use serde_json::Value;
use store::Tx;
use workers::error::{Treatment, WorkError};
use workers::fingerprint::Fingerprint;
use workers::late_writes::Difference;
use workers::progress::{Checkpoints, Notes, Tally};
use workers::unanswered::{ANSWERS_WITHIN, Outstanding};

use super::evidence::{DELETED, DOOMED, Evidence, FOUND, MOST_DELETED, MOST_SEEN, STRAYS, put_together};
use crate::amount::Amount;
use crate::data_tasks::to_value;
use crate::mover_errors::work_error;
use crate::timing::millis;

/// So many chunks are put together, so that what is stored stays small.
const FOLDED_EVERY: u32 = 128;

/// Stores checkpoints through the task's context, under its lease.
pub(crate) struct TaskCheckpoints<'a> {
    cx: &'a TaskContext,
    notes: Option<Evidence>,
}

impl<'a> TaskCheckpoints<'a> {
    /// Nothing is noted.
    pub(crate) fn new(cx: &'a TaskContext) -> Self {
        Self { cx, notes: None }
    }

    /// Everything that is seen or deleted is noted there.
    pub(crate) fn noting(cx: &'a TaskContext, notes: Evidence) -> Self {
        Self { cx, notes: Some(notes) }
    }
}

#[async_trait]
impl Checkpoints for TaskCheckpoints<'_> {
    async fn save(&self, resume: Value, done: Tally) -> Result<(), WorkError> {
        let (amount, measure) = measured(done);
        self.cx.save(&resume, &amount, measure).await.map_err(work_error)
    }

    fn keeps_notes(&self) -> bool {
        self.notes.is_some()
    }

    async fn save_noting(&self, resume: Value, done: Tally, notes: Notes) -> Result<(), WorkError> {
        let Some(evidence) = self.notes.clone() else { return self.save(resume, done).await };
        let ((amount, measure), run) = (measured(done), self.cx.task.fence);
        let along: Along = Box::new(move |tx| keep(tx, evidence, run, notes));
        self.cx.save_along(&resume, &amount, measure, along).await.map_err(work_error)
    }

    async fn noted(&self, pass: u32, chunks: u32) -> Result<Option<Fingerprint>, WorkError> {
        let (Some(evidence), store) = (self.notes.clone(), self.cx.store()) else { return Ok(None) };
        let noted = driven(async move {
            let mut tx = store.read().await?;
            let noted = fingerprints::read(&mut tx, evidence.of(), pass.into(), chunks.into()).await?;
            tx.rollback().await?;
            put_together(&noted, MOST_SEEN)
        });
        noted.await.map(Some).map_err(work_error)
    }

    async fn found(&self, first: bool, differences: &[Difference]) -> Result<(), WorkError> {
        let Some(evidence) = self.notes.clone() else { return Ok(()) };
        let differences = differences.to_vec();
        let write: Along = Box::new(move |tx| keep_found(tx, evidence, first, differences));
        self.cx.write(write).await.map_err(work_error)
    }

    async fn alive(&self) -> Result<(), WorkError> {
        let alive = self.cx.alive().await.map_err(work_error);
        if matches!(&alive, Err(error) if error.treatment == Treatment::LostLease) {
            // All that works beside it is about to be dropped: first it shall have its answers.
            self.cx.in_flight().all_ended(ANSWERS_WITHIN).await;
        }
        alive
    }

    fn is_wanted_back(&self) -> bool {
        self.cx.is_wanted_back()
    }
}

/// Where the requests of a task are told of.
pub(crate) fn requests_of(cx: &TaskContext) -> Arc<dyn Outstanding> {
    Arc::new(Requests(cx.in_flight()))
}

struct Requests(Arc<InFlight>);

#[async_trait]
impl Outstanding for Requests {
    fn sent(&self) {
        self.0.sent();
    }

    fn ended(&self, unanswered: Option<SystemTime>) {
        self.0.ended(unanswered.map(|at| at.duration_since(UNIX_EPOCH).map_or(0, millis)));
    }

    fn is_held(&self) -> bool {
        self.0.is_held()
    }

    async fn all_ended(&self, longest: Duration) {
        self.0.all_ended(longest).await;
    }
}

fn measured(done: Tally) -> (Value, u64) {
    let amount = Amount::from(done);
    (to_value(&amount), amount.items + amount.objects + amount.bytes)
}

type Written<'t> = BoxFuture<'t, Result<(), StepError>>;

/// Keeps what was noted. What is deleted is counted by run: numbers begin anew with each.
fn keep(tx: &mut Tx, evidence: Evidence, run: i64, notes: Notes) -> Written<'_> {
    Box::pin(async move {
        let of = evidence.of();
        // A pass whose end is not covered by the checkpoint is put together up to there: a resumed run replaces the rest.
        let uncovered = notes.seen.last().map(|(pass, chunk, _)| (i64::from(*pass), i64::from(*chunk)));
        for (pass, chunk, marks) in notes.seen {
            let (pass, number) = (i64::from(pass), i64::from(chunk));
            let marks: Fingerprint = marks.into_iter().collect();
            fingerprints::write(tx, of, pass, number, &marks.to_text()).await?;
            if chunk > 0 && chunk % FOLDED_EVERY == 0 {
                fold(tx, of, pass, number, MOST_SEEN).await?;
            }
        }
        let passes: Vec<i64> = notes.wanted.into_iter().map(i64::from).collect();
        if !passes.is_empty() {
            fingerprints::keep_passes(tx, of, &passes).await?;
        }
        if let [pass] = passes.as_slice() {
            let upto = uncovered.filter(|(of, _)| of == pass).map_or(i64::MAX, |(_, chunk)| chunk);
            fold(tx, of, *pass, upto, MOST_SEEN).await?;
        }
        let doomed = evidence.named(DOOMED);
        for number in notes.deleted {
            fingerprints::move_chunk(tx, doomed.of(), run, number.into(), DELETED).await?;
            if number % FOLDED_EVERY == 0 {
                fold(tx, evidence.named(DELETED).of(), run, number.into(), MOST_DELETED).await?;
            }
        }
        if let Some((number, marks)) = notes.doomed {
            let marks: Fingerprint = marks.into_iter().collect();
            fingerprints::write(tx, doomed.of(), run, number.into(), &marks.to_text()).await?;
        }
        Ok(())
    })
}

async fn fold(tx: &mut Tx, of: fingerprints::Of<'_>, pass: i64, upto: i64, most: u64) -> Result<(), StepError> {
    let chunks = fingerprints::read(tx, of, pass, upto).await?;
    if chunks.is_empty() {
        return Ok(());
    }
    let together = put_together(&chunks, most)?;
    Ok(fingerprints::fold(tx, of, pass, upto, &together.to_text()).await?)
}

fn keep_found(tx: &mut Tx, evidence: Evidence, first: bool, differences: Vec<Difference>) -> Written<'_> {
    Box::pin(async move {
        let Evidence { workflow, part, .. } = &evidence;
        if first {
            late_writes::erase_part(tx, workflow, *part).await?;
        }
        let next = late_writes::next(tx, workflow, *part).await?;
        for (name, strays) in [(FOUND, false), (STRAYS, true)] {
            let of_name = differences.iter().filter(|found| found.stray == strays);
            let marks: Fingerprint = of_name.filter_map(|found| found.mark).collect();
            // The first chunk takes the place of all that an earlier attempt found.
            fingerprints::write(tx, evidence.named(name).of(), 0, next, &marks.to_text()).await?;
        }
        let rows: Vec<_> = (next..)
            .zip(differences)
            .map(|(number, found)| LateWrite {
                part: i64::from(*part),
                number,
                kind: found.kind.name().to_owned(),
                key: found.key.to_string(),
                certain: found.certain,
            })
            .collect();
        Ok(late_writes::add(tx, workflow, *part, &rows).await?)
    })
}
