//! What a step has decided, and how it is written.

use store::{Millis, StoreError};

use crate::record::{StoredError, WorkflowRecord};
use crate::step::StepTx;
use crate::step_error::StepError;
use crate::tables::pause_table;
use crate::tables::step_table::{self, Written};
use crate::tables::workflow_table::{self, NewWorkflow, to_json};
use crate::workflow::{Next, Workflow};

impl StepTx<'_> {
    /// Starts another workflow about the same tenant, due at `wake_at`; returns its id.
    pub async fn start<W: Workflow>(&mut self, state: &W::State, wake_at: Millis) -> Result<String, StoreError> {
        self.start_stored::<W>(W::name(state), to_json(state), wake_at).await
    }

    /// The same with a state that is given as it is to be stored: this version need not be able to read it.
    pub async fn start_stored<W: Workflow>(
        &mut self,
        state: &'static str,
        data: String,
        wake_at: Millis,
    ) -> Result<String, StoreError> {
        let id = self.ids.next();
        let new = NewWorkflow {
            id: &id,
            kind: W::KIND,
            subject: &self.record.subject,
            start_key: None,
            request: "",
            state,
            data,
            wake_at,
            priority: W::PRIORITY,
        };
        workflow_table::insert(self.tx, new, self.now).await?;
        Ok(id)
    }

    /// What was decided, ready to be written; and the workflow as it will be then.
    pub(crate) async fn decided<W: Workflow>(
        &mut self,
        next: &Next<W::State>,
        error: Option<&StoredError>,
        lease: Millis,
    ) -> Result<Outcome, StepError> {
        let (state, wake, note) = match next {
            Next::Go(state, note) => (state, None, note.as_str()),
            Next::Stay(state, at) => (state, Some(*at), ""),
        };
        let name = W::name(state);
        // Whoever was passed by a pause is held as soon as it may be: not stepped on under the same claim.
        let held = W::keeps_offline(&self.record.state)
            && !W::keeps_offline(name)
            && pause_table::over(self.tx, &self.record.subject).await?.is_some();
        let before = &self.record;
        if name != before.state && !W::may_follow(&before.state, name) {
            return Err(StepError::permanent(
                "illegal_transition",
                format!("{} may not go from {} to {name}", W::KIND, before.state),
            ));
        }
        let finished = W::is_final(name);
        let go_on = !finished && wake.is_none() && !held;
        // While it goes on its time stays what it was: an index holds it.
        let wake_on = || wake.unwrap_or(before.wake_at.map_or(self.now, |at| at.min(self.now)));
        let moved = before.state != name;
        let written = Written {
            id: before.id.clone(),
            held: before.fence,
            known: before.steps,
            fence: self.fence,
            state: name,
            data: to_json(state),
            steps: before.steps + i64::from(moved),
            error: error.map(to_json),
            wake_at: (!finished).then(wake_on),
            lease_until: if go_on { self.now + lease } else { 0 },
            keeps_offline: W::keeps_offline(name),
            now: self.now,
            left: moved.then(|| (before.state.clone(), note.to_owned())),
        };
        Ok(Outcome { written, go_on })
    }
}

impl StepTx<'_> {
    /// Writes what was decided. Returns the workflow as it was before.
    pub(crate) async fn write(self, outcome: &Outcome) -> Result<WorkflowRecord, StepError> {
        step_table::write(self.tx, std::slice::from_ref(&outcome.written)).await?;
        Ok(self.record)
    }
}

/// What a step writes.
pub(crate) struct Outcome {
    pub(crate) written: Written,
    /// Its lease is kept: the next state can be stepped at once.
    pub(crate) go_on: bool,
}

impl Outcome {
    /// The workflow as it is once this is written.
    pub(crate) fn after(self, mut before: WorkflowRecord) -> WorkflowRecord {
        let written = self.written;
        written.state.clone_into(&mut before.state);
        WorkflowRecord {
            data: written.data,
            steps: written.steps,
            attempt: 0,
            error: written.error.and_then(|error| serde_json::from_str(&error).ok()),
            failing: None,
            wake_at: written.wake_at,
            fence: written.fence,
            keeps_offline: written.keeps_offline,
            updated_at: written.now,
            ..before
        }
    }
}

/// Reads the stored state. Unreadable means that another version wrote it.
pub(crate) fn read_state<W: Workflow>(record: &WorkflowRecord) -> Result<W::State, StepError> {
    serde_json::from_str(&record.data).map_err(|error| StepError {
        source: Some(Box::new(error)),
        ..StepError::retryable(
            "unreadable_state",
            format!(
                "the stored state {} of {} {} was written by another version of realmctl: run that version, or upgrade this one",
                record.state, record.kind, record.id
            ),
        )
    })
}
