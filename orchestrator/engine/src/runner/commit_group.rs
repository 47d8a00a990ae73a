//! Steps that end together share a commit: one transaction lets each decide, and writes them by one statement wherever the row is still
//! as its holder knows it. Nothing is locked or read before: such a step changes nothing but its own workflow. Whatever is ready
//! while the commit before is under way makes the next group, so a step that is alone never waits for company. A group locks rows
//! of workflows only, in the order of their ids: see the order of locks in ARCHITECTURE.md.

use std::any::Any;
use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use store::{StoreError, Tx};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Mutex, oneshot};
use tracing::debug;

use crate::failpoints::{Failpoint, Moment};
use crate::outcome::Outcome;
use crate::record::WorkflowRecord;
use crate::registry::AnyWorkflow;
use crate::runner::Runner;
use crate::step::StepTx;
use crate::step_error::{CATALOGUE_UNAVAILABLE, StepError};
use crate::tables::step_table;
use crate::tables::step_table::Written;

/// A step that has looked at the outside and is ready for its transaction.
pub(crate) struct Ready {
    pub(crate) record: WorkflowRecord,
    pub(crate) workflow: Arc<dyn AnyWorkflow>,
    pub(crate) seen: Box<dyn Any + Send>,
}

/// What became of a step in its group.
pub(crate) enum Shared {
    /// Committed; `go_on`: the lease is kept.
    Recorded { after: Box<WorkflowRecord>, go_on: bool },
    /// The row is not as we know it: not ours any more, further than we know, or held back. Nothing of this step is written.
    NotAsKnown,
    /// The step itself failed; nothing of it is written.
    Failed(StepError),
    /// Another step of the group could not be written, and so nothing of the group is: to be stepped by itself.
    Undone,
    /// The outcome of the commit is not known.
    Unknown(StepError),
}

/// Where steps wait for the next group.
#[derive(Clone)]
pub(crate) struct CommitQueue(UnboundedSender<(Ready, oneshot::Sender<Shared>)>);

/// The other end of it, shared by those who commit.
pub(crate) type Waiting = Arc<Mutex<UnboundedReceiver<(Ready, oneshot::Sender<Shared>)>>>;

pub(crate) fn queue() -> (CommitQueue, Waiting) {
    let (sender, receiver) = unbounded_channel();
    (CommitQueue(sender), Arc::new(Mutex::new(receiver)))
}

impl CommitQueue {
    /// Puts the step into the next group. Bounded by the workflows that the runner has in hand.
    pub(crate) async fn commit(&self, ready: Ready) -> Shared {
        let gone = || Shared::Unknown(StepError::panicked());
        let (reply, outcome) = oneshot::channel();
        match self.0.send((ready, reply)) {
            Ok(()) => outcome.await.unwrap_or_else(|_| gone()),
            Err(_) => gone(),
        }
    }
}

/// A step on its way through its group's transaction.
struct Member {
    ready: Ready,
    reply: oneshot::Sender<Shared>,
    go_on: bool,
}

/// Why a group can't be committed.
enum Trouble {
    /// One of its steps failed.
    Step(usize, StepError),
    /// The rows of some of them are not as their holders know them.
    Rows(HashSet<String>),
    /// The database refused something.
    Database(StepError),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Database(error.into())
    }
}

impl Runner {
    /// Commits one group after another until the queue is closed.
    pub(crate) async fn commit_groups(&self, waiting: Waiting) {
        loop {
            let mut group = Vec::new();
            let mut queue = waiting.lock().await;
            if queue.recv_many(&mut group, 1).await == 0 {
                return;
            }
            let tx = self.store.begin().await;
            // Beginning may have waited: whatever is ready by now comes along.
            while group.len() < self.settings.shared_commit {
                let Ok(ready) = queue.try_recv() else { break };
                group.push(ready);
            }
            drop(queue);
            match tx {
                Ok(tx) => self.commit_group(tx, group).await,
                Err(error) => {
                    for (_, reply) in group {
                        answer(reply, Shared::Unknown(unknown(&error)));
                    }
                }
            }
        }
    }

    async fn commit_group(&self, mut tx: Tx, group: Vec<(Ready, oneshot::Sender<Shared>)>) {
        let mut members: Vec<Member> =
            group.into_iter().map(|(ready, reply)| Member { ready, reply, go_on: false }).collect();
        // In the order of their ids; of two that hold the same workflow, which a stalled database can bring together, the later claim.
        members.sort_by(|one, other| {
            let of = |member: &Member| (member.ready.record.id.clone(), member.ready.record.fence);
            of(one).cmp(&of(other))
        });
        let (mut members, stale): (Vec<Member>, Vec<Member>) = only_latest(members);
        for member in stale {
            answer(member.reply, Shared::NotAsKnown);
        }
        let written = match self.step_members(&mut tx, &mut members).await {
            Ok(written) => written,
            Err(trouble) => {
                if let Err(error) = tx.rollback().await {
                    debug!(
                        error = error.chain(),
                        "a group of steps was not rolled back in order; its transaction ends with its connection"
                    );
                }
                return undo(members, trouble);
            }
        };
        if let Err(error) = tx.commit().await {
            for member in members {
                answer(member.reply, Shared::Unknown(unknown(&error)));
            }
            return;
        }
        for (member, written) in members.into_iter().zip(written) {
            let recorded = self.failpoints.step(point(&member.ready.record, Moment::Recorded));
            let shared = match recorded {
                Ok(()) => {
                    let outcome = Outcome { written, go_on: member.go_on };
                    Shared::Recorded { after: Box::new(outcome.after(member.ready.record)), go_on: member.go_on }
                }
                Err(error) => Shared::Unknown(error),
            };
            answer(member.reply, shared);
        }
    }

    /// Everything but the commit.
    async fn step_members(&self, tx: &mut Tx, members: &mut [Member]) -> Result<Vec<Written>, Trouble> {
        let now = tx.now().await?;
        let mut written = Vec::with_capacity(members.len());
        for (place, member) in members.iter_mut().enumerate() {
            let ready = &mut member.ready;
            let seen = std::mem::replace(&mut ready.seen, Box::new(()));
            let record = ready.record.clone();
            // The other group's clock was read at another moment: a workflow's history never goes back.
            let now = now.max(record.updated_at);
            let mut step = StepTx::shared(tx, self.ids.as_ref(), record, now);
            let advance = AssertUnwindSafe(ready.workflow.advance(&mut step, seen, self.settings.lease_ms()));
            let decided = advance.catch_unwind().await.unwrap_or_else(|_| Err(StepError::panicked()));
            let outcome = decided.map_err(|error| Trouble::Step(place, error))?;
            member.go_on = outcome.go_on;
            written.push(outcome.written);
        }
        let others = step_table::write_unlocked(tx, &written).await?;
        if !others.is_empty() {
            return Err(Trouble::Rows(others));
        }
        for (place, member) in members.iter().enumerate() {
            let probed = self.failpoints.step(point(&member.ready.record, Moment::Written));
            probed.map_err(|error| Trouble::Step(place, error))?;
        }
        Ok(written)
    }
}

/// Of sorted members, the last of each workflow, and the others.
fn only_latest(members: Vec<Member>) -> (Vec<Member>, Vec<Member>) {
    let (mut latest, mut stale): (Vec<Member>, Vec<Member>) = (Vec::with_capacity(members.len()), Vec::new());
    for member in members {
        if let Some(before) = latest.pop_if(|before| before.ready.record.id == member.ready.record.id) {
            stale.push(before);
        }
        latest.push(member);
    }
    (latest, stale)
}

/// Nothing is written: the step that failed hears why, those whose rows have changed are told, their neighbours are stepped by themselves.
fn undo(members: Vec<Member>, trouble: Trouble) {
    let (mut failed, others) = match trouble {
        Trouble::Step(place, error) => (Some((place, error)), HashSet::new()),
        Trouble::Rows(others) => (None, others),
        Trouble::Database(error) => {
            debug!(error = error.chain(), "a group of steps could not be written; each is retried on its own");
            (None, HashSet::new())
        }
    };
    for (place, member) in members.into_iter().enumerate() {
        let shared = match failed.take_if(|(at, _)| *at == place) {
            Some((_, error)) => Shared::Failed(error),
            None if others.contains(&member.ready.record.id) => Shared::NotAsKnown,
            None => Shared::Undone,
        };
        answer(member.reply, shared);
    }
}

fn answer(reply: oneshot::Sender<Shared>, shared: Shared) {
    if reply.send(shared).is_err() {
        debug!("nobody waits for this step any more");
    }
}

fn point(record: &WorkflowRecord, moment: Moment) -> Failpoint<'_> {
    Failpoint { kind: &record.kind, state: &record.state, moment }
}

/// One error for each of a group, since errors can't be copied.
fn unknown(error: &StoreError) -> StepError {
    StepError::retryable(CATALOGUE_UNAVAILABLE, format!("the outcome of a shared commit is not known: {error}"))
}
