//! Queues a removal in the transaction that gives the location up: the entry becomes `removing` and the workflow exists, or
//! neither.

use catalogue::ledger::{self, EntryState};
use engine::{StepError, StepTx};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::state::{Cause, RemovalStage, RemovalState, VerifiedPart};
use crate::actor::Actor;
use crate::removal::state_machine::Removal;

/// What a move has found at a location that it leaves.
#[derive(Debug, Default)]
pub struct Found {
    /// While nothing was written to it.
    pub verified: Option<Vec<VerifiedPart>>,
    /// While the tenant was online.
    pub compared: Option<Vec<VerifiedPart>>,
    /// Key of the location whose deletes the store itself brings here.
    pub follows: Option<String>,
    /// Which table it was found to be.
    pub table_id: Option<String>,
}

/// A removal that was queued, as its cause remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovalRef {
    /// Its id.
    pub id: String,
    /// Of which service.
    pub service: String,
    /// From where, as shown.
    pub location: String,
}

/// Makes the entry `removing` and starts its removal, which first compares with what was verified there. `None`: the entry is not
/// in the state `from`.
/// Needs nothing of the place but its key: what was stored of it goes with the removal as it is, so that a tenant can come back
/// online in a version that can't read it. Whoever can goes on with the removal.
pub async fn queue_removal(
    step: &mut StepTx<'_>,
    tenant: &str,
    service: &str,
    key: &str,
    from: EntryState,
    (cause, found, by): (Cause, Found, &Actor),
) -> Result<Option<RemovalRef>, StepError> {
    let Some(entry) = ledger::get_stored(step.tx, tenant, service, key).await? else { return Ok(None) };
    // Not even JSON: another version's all the same.
    let mut place = serde_json::from_str(&entry.place).unwrap_or(Value::String(entry.place));
    if let (Value::Object(place), Some(id)) = (&mut place, found.table_id) {
        place.insert("tableId".to_owned(), id.into());
    }
    let name = place.get("name").and_then(Value::as_str).unwrap_or(key).to_owned();
    let state = RemovalState {
        service: service.to_owned(),
        location: place,
        generation: entry.generation,
        cause,
        verified: found.verified,
        compared: found.compared,
        follows: found.follows,
        unread: false,
        first_is_empty: false,
        accept_late_writes: false,
        late: None,
        accepted: None,
        compared_again: 0,
        left_behind: false,
        begun: false,
        waits_for: None,
        stage: RemovalStage::Waiting { until: None },
    };
    let (now, data) = (step.now, serde_json::to_string(&state).map_err(unwritable)?);
    let id = step.start_stored::<Removal>(state.stage.name(), data, now).await?;
    let by = by.changes(step.ids, Some(&step.record.id));
    match ledger::begin_removing(step.tx, tenant, service, key, from, (&id, by)).await? {
        Some(generation) if generation == entry.generation => {
            Ok(Some(RemovalRef { id, service: service.to_owned(), location: name }))
        }
        _ => Err(StepError::retryable(
            "ledger_mismatch",
            format!("the ledger's entry of {key} is not {}", from.as_str()),
        )),
    }
}

fn unwritable(error: serde_json::Error) -> StepError {
    StepError { source: Some(Box::new(error)), ..StepError::permanent("unwritable_state", "a removal can't be stored") }
}
