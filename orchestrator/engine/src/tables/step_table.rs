//! SQL of steps: many workflows' rows are written by one statement, with their history.

use std::collections::HashSet;

use store::{Millis, Rows, Sql, StoreError, Tx, sql};

use crate::step_error::StepError;

/// What a step or an external transition writes to its workflow's row.
#[derive(Debug)]
pub struct Written {
    /// Which workflow.
    pub id: String,
    /// The fence under which the row is held.
    pub held: i64,
    /// The history rows that its holder knows of.
    pub known: i64,
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
    pub keeps_offline: bool,
    /// When.
    pub now: Millis,
    /// The state left and why, if the state has changed.
    pub left: Option<(String, String)>,
}

/// What one statement writes of many steps, where the row is still as its holder knows it: under this fence, after that many steps.
macro_rules! write_steps {
    ($and:literal) => {
        concat!(
            "UPDATE workflows SET fence = given.fence, state = given.state, data = given.data, \
             steps = given.steps, attempt = 0, error = given.error, wake_at = given.wake_at, \
             lease_until = given.lease_until, keeps_offline = given.keeps_offline, updated_at = given.now, \
             lease_owner = CASE WHEN given.lease_until = 0 THEN NULL ELSE lease_owner END, \
             finished_at = CASE WHEN given.wake_at IS NULL THEN given.now END, \
             ended_as = CASE WHEN given.wake_at IS NULL THEN given.state END \
             FROM {rows} WHERE workflows.id = given.id AND workflows.fence = given.held \
             AND workflows.steps = given.known",
            $and,
            " RETURNING workflows.id AS written"
        )
    };
}

/// Writes the outcomes of steps whose rows are locked, and their history. Fails with `LostLease` unless every row was held.
pub async fn write(tx: &mut Tx, steps: &[Written]) -> Result<(), StepError> {
    let lost = write_where_held(tx, sql(write_steps!("")), steps).await?;
    if lost.is_empty() { Ok(()) } else { Err(StepError::lost_lease()) }
}

/// The same of rows that nobody has locked: the holders of their leases write them. Returns the ids of those that are not theirs any
/// more, that are further than they know, or that an operator holds back; if there are any, the transaction has to be rolled back.
pub async fn write_unlocked(tx: &mut Tx, steps: &[Written]) -> Result<HashSet<String>, StoreError> {
    write_where_held(
        tx,
        sql(write_steps!(" AND lease_owner IS NOT NULL AND workflows.wake_at IS NOT NULL AND paused = 0")),
        steps,
    )
    .await
}

/// Returns the ids of those that were not written. History is written only if there is none.
async fn write_where_held(tx: &mut Tx, statement: Sql, steps: &[Written]) -> Result<HashSet<String>, StoreError> {
    let texts = |cell: fn(&Written) -> &str| steps.iter().map(move |step| cell(step).to_owned());
    let ints = |cell: fn(&Written) -> i64| steps.iter().map(cell);
    let given = Rows::default()
        .texts("id", texts(|step| &step.id))
        .ints("held", ints(|step| step.held))
        .ints("known", ints(|step| step.known))
        .ints("fence", ints(|step| step.fence))
        .texts("state", texts(|step| step.state))
        .texts("data", texts(|step| &step.data))
        .ints("steps", ints(|step| step.steps))
        .texts("error", steps.iter().map(|step| step.error.clone()))
        .ints("wake_at", steps.iter().map(|step| step.wake_at))
        .ints("lease_until", ints(|step| step.lease_until))
        .ints("keeps_offline", ints(|step| i64::from(step.keeps_offline)))
        .ints("now", ints(|step| step.now));
    let mut others: HashSet<String> = steps.iter().map(|step| step.id.clone()).collect();
    for row in statement.rows(given).fetch_all(tx).await? {
        others.remove(&row.text("written")?);
    }
    if !others.is_empty() {
        return Ok(others);
    }
    let due_to_anyone = |step: &Written| step.lease_until == 0 && step.wake_at.is_some_and(|at| at <= step.now);
    if steps.iter().any(due_to_anyone) {
        tx.announce();
    }
    append_history(tx, steps).await?;
    Ok(others)
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
