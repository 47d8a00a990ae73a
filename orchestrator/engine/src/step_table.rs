//! SQL of steps: many workflows' rows are locked and written by one statement each, with their history.

use store::{Millis, Rows, StoreError, Tx, sql};

use crate::step_error::StepError;

/// What a step or an intervention writes to its workflow's row.
#[derive(Debug)]
pub struct Written {
    /// Which workflow.
    pub id: String,
    /// The fence under which the row was locked.
    pub held: i64,
    /// The fence from now on.
    pub fence: i64,
    /// The state's name.
    pub state: &'static str,
    /// The state as JSON.
    pub data: String,
    /// History rows, this one included.
    pub steps: i64,
    /// The failure that led here, as JSON: kept until the state changes again.
    pub error: Option<String>,
    /// `None`: finished.
    pub wake_at: Option<Millis>,
    /// When the lease ends; 0 gives it back.
    pub lease_until: Millis,
    /// The state keeps its tenant offline: a pause passes it by.
    pub must_go_on: bool,
    /// When.
    pub now: Millis,
    /// The state left and why, if the state has changed.
    pub left: Option<(String, String)>,
}

/// A workflow's row that is locked until the transaction ends.
pub struct Locked {
    /// Which workflow.
    pub id: String,
    /// Its fence.
    pub fence: i64,
    /// Its steps so far.
    pub steps: i64,
    /// Whether somebody holds its lease.
    pub leased: bool,
    /// When it is due.
    pub wake_at: Option<Millis>,
    /// Whether an operator holds it back.
    pub paused: bool,
}

/// Locks the rows, always in the order of their ids, so that no two groups wait for each other. With them, the time at which
/// all of them were locked.
pub async fn lock(tx: &mut Tx, ids: Vec<String>) -> Result<(Vec<Locked>, Millis), StoreError> {
    let (rows, now) = sql("SELECT id, fence, steps, lease_owner, wake_at, paused FROM workflows \
             WHERE id IN (SELECT id FROM {rows}) ORDER BY id")
    .rows(Rows::default().texts("id", ids))
    .fetch_locked(tx)
    .await?;
    let locked = rows
        .iter()
        .map(|row| {
            Ok(Locked {
                id: row.text("id")?,
                fence: row.int("fence")?,
                steps: row.int("steps")?,
                leased: row.opt_text("lease_owner")?.is_some(),
                wake_at: row.opt_int("wake_at")?,
                paused: row.int("paused")? != 0,
            })
        })
        .collect::<Result<_, StoreError>>()?;
    Ok((locked, now))
}

/// Writes the outcomes of steps, each under its fence, and their history. Fails with `LostLease` unless every row was held.
pub async fn write(tx: &mut Tx, steps: &[Written]) -> Result<(), StepError> {
    let texts = |cell: fn(&Written) -> &str| steps.iter().map(move |step| cell(step).to_owned());
    let ints = |cell: fn(&Written) -> i64| steps.iter().map(cell);
    let given = Rows::default()
        .texts("id", texts(|step| &step.id))
        .ints("held", ints(|step| step.held))
        .ints("fence", ints(|step| step.fence))
        .texts("state", texts(|step| step.state))
        .texts("data", texts(|step| &step.data))
        .ints("steps", ints(|step| step.steps))
        .texts("error", steps.iter().map(|step| step.error.clone()))
        .ints("wake_at", steps.iter().map(|step| step.wake_at))
        .ints("lease_until", ints(|step| step.lease_until))
        .ints("must_go_on", ints(|step| i64::from(step.must_go_on)))
        .ints("now", ints(|step| step.now));
    let changed = sql("UPDATE workflows SET fence = given.fence, state = given.state, data = given.data, \
         steps = given.steps, attempt = 0, error = given.error, wake_at = given.wake_at, \
         lease_until = given.lease_until, must_go_on = given.must_go_on, updated_at = given.now, \
         lease_owner = CASE WHEN given.lease_until = 0 THEN NULL ELSE lease_owner END, \
         finished_at = CASE WHEN given.wake_at IS NULL THEN given.now END, \
         ended_as = CASE WHEN given.wake_at IS NULL THEN given.state END \
         FROM {rows} WHERE workflows.id = given.id AND workflows.fence = given.held")
    .rows(given)
    .execute(tx)
    .await?;
    if changed != steps.len() as u64 {
        return Err(StepError::lost_lease());
    }
    let due_to_anyone = |step: &Written| step.lease_until == 0 && step.wake_at.is_some_and(|at| at <= step.now);
    if steps.iter().any(due_to_anyone) {
        tx.announce();
    }
    Ok(append_history(tx, steps).await?)
}

async fn append_history(tx: &mut Tx, steps: &[Written]) -> Result<(), StoreError> {
    let moved: Vec<_> = steps.iter().filter_map(|step| step.left.as_ref().map(|left| (step, left))).collect();
    if moved.is_empty() {
        return Ok(());
    }
    let given = Rows::default()
        .texts("workflow_id", moved.iter().map(|(step, _)| step.id.clone()))
        .ints("seq", moved.iter().map(|(step, _)| step.steps))
        .ints("now", moved.iter().map(|(step, _)| step.now))
        .texts("from_state", moved.iter().map(|(_, (from, _))| from.clone()))
        .texts("to_state", moved.iter().map(|(step, _)| step.state.to_owned()))
        .ints("fence", moved.iter().map(|(step, _)| step.fence))
        .texts("note", moved.iter().map(|(_, (_, why))| why.clone()));
    sql("INSERT INTO history (workflow_id, seq, at, from_state, to_state, fence, note) \
         SELECT workflow_id, seq, now, from_state, to_state, fence, note FROM {rows}")
    .rows(given)
    .execute(tx)
    .await
    .map(drop)
}
