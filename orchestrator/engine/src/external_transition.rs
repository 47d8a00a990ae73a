//! Changes made to a workflow from outside its runner, under its row lock.

use std::marker::PhantomData;

use store::{StoreError, Tx};

use crate::ids::Ids;
use crate::outcome::read_state;
use crate::record::StoredError;
use crate::step::StepTx;
use crate::step_error::StepError;
use crate::tables::step_table;
use crate::tables::step_table::Written;
use crate::tables::workflow_table::to_json;
use crate::workflow::{Next, Workflow};

/// A change made to a workflow from outside its runner: a cancel, a lapse, a replay. It raises the fence, so that whoever
/// runs the workflow stops.
pub struct ExternalTransition<'a, W> {
    /// What can be done inside the transaction.
    pub step: StepTx<'a>,
    kind: PhantomData<fn() -> W>,
}

impl<'a, W: Workflow> ExternalTransition<'a, W> {
    /// Locks the workflow, raises its fence and erases its tasks; all of it is undone unless the transaction
    /// commits. `None` when there is no such workflow of this kind.
    pub async fn lock(tx: &'a mut Tx, ids: &'a dyn Ids, id: &str) -> Result<Option<Self>, StoreError> {
        let step = StepTx::lock(tx, ids, id).await?;
        let Some(mut step) = step.filter(|step| step.record.kind == W::KIND) else { return Ok(None) };
        step.fence_off().await?;
        Ok(Some(Self { step, kind: PhantomData }))
    }

    /// The stored state.
    pub fn state(&self) -> Result<W::State, StepError> {
        read_state::<W>(&self.step.record)
    }

    /// Ends the workflow from a state that only the version that wrote it can read. Nothing of the table of transitions is asked:
    /// the caller has found in the catalogue that this is its end.
    pub async fn end(self, ending: Ending<'_>) -> Result<(), StepError> {
        let Ending { state, data, note, error } = ending;
        let (before, now) = (&self.step.record, self.step.now);
        let written = Written {
            id: before.id.clone(),
            held: before.fence,
            known: before.steps,
            fence: self.step.fence,
            state,
            data,
            steps: before.steps + 1,
            error: Some(to_json(error)),
            wake_at: None,
            lease_until: 0,
            keeps_offline: false,
            now,
            left: Some((before.state.clone(), note)),
        };
        step_table::write(self.step.tx, &[written]).await
    }

    /// Writes where the workflow goes from here. `error` is kept with it, for displays.
    pub async fn go(mut self, next: &Next<W::State>, error: Option<&StoredError>) -> Result<(), StepError> {
        let outcome = self.step.decided::<W>(next, error, 0).await?;
        self.step.write(&outcome).await.map(drop)
    }
}

/// How a workflow ends whose stored state this version can't read.
#[derive(Debug)]
pub struct Ending<'a> {
    /// The final state's name.
    pub state: &'static str,
    /// What is stored of it: what another version wrote, as far as it still holds.
    pub data: String,
    /// Why, for the history.
    pub note: String,
    /// Why, for displays.
    pub error: &'a StoredError,
}
