//! Queues a removal in the transaction that gives the location up: the cell becomes `removing` and the workflow exists, or
//! neither.

use catalogue::ledger::{self, CellState};
use catalogue::location::Location;
use engine::{StepError, StepTx};

use super::machine::Removal;
use super::state::{Cause, RemovalStage, RemovalState, VerifiedPart};
use crate::realm_move::RemovalRef;

/// Makes the cell `removing` and starts its removal, which first compares with what was verified there. `None`: the cell is not in the state `from`.
pub async fn queue_removal(
    step: &mut StepTx<'_>,
    tenant: &str,
    service: &str,
    location: &Location,
    from: CellState,
    (cause, verified): (Cause, Option<Vec<VerifiedPart>>),
) -> Result<Option<RemovalRef>, StepError> {
    let key = location.key();
    let Some(cell) = ledger::get(step.tx, tenant, service, &key).await? else { return Ok(None) };
    let state = RemovalState {
        service: service.to_owned(),
        location: location.clone(),
        generation: cell.generation,
        cause,
        verified,
        accept_late_writes: false,
        waits_for: None,
        stage: RemovalStage::Waiting { until: None },
    };
    let now = step.now;
    let id = step.start::<Removal>(&state, now).await?;
    match ledger::begin_removing(step.tx, tenant, service, &key, from, &id).await? {
        Some(generation) if generation == cell.generation => {
            Ok(Some(RemovalRef { id, service: service.to_owned(), location: location.name.clone() }))
        }
        _ => {
            Err(StepError::retryable("ledger_mismatch", format!("the ledger's cell of {key} is not {}", from.as_str())))
        }
    }
}
