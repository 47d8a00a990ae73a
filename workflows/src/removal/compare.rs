//! What a removal compares before it deletes: each part, as it is, with what the move verified there.

use catalogue::ledger::{self, CellState};
use catalogue::location::Location;
use catalogue::topologies;
use engine::task::NewTask;
use engine::{StepError, StepTx};

use super::state::{RemovalState, VerifiedPart};
use crate::data_tasks::{CompareInput, CompareTask, place_of, to_value};

/// The service may have grown index shards since the cell was written: those parts are the tenant's data too.
pub(super) async fn location_now(step: &mut StepTx<'_>, state: &RemovalState) -> Result<Location, StepError> {
    Ok(match topologies::current(step.tx).await? {
        Some(stored) => stored.topology.refresh(&state.service, &state.location),
        None => state.location.clone(),
    })
}

/// Fans out one comparison a part, with what the move verified and with where the data lives now.
pub(super) async fn fan_out_compares(
    step: &mut StepTx<'_>,
    state: &RemovalState,
    location: &Location,
    verified: &[VerifiedPart],
) -> Result<(), StepError> {
    let tenant = step.record.subject.clone();
    let cells = ledger::of_tenant(step.tx, &tenant).await?;
    let live = cells.into_iter().find(|cell| cell.service == state.service && cell.state == CellState::Live);
    let live = live.map(|cell| cell.location);
    // Objects are compared as they were divided then.
    let bounds = verified.first().map(|known| known.bounds.clone()).unwrap_or_default();
    for part in 0..place_of(location).divided_at(&bounds).parts() {
        let known = verified.iter().find(|known| known.part == part);
        let input = CompareInput {
            tenant: tenant.clone(),
            service: state.service.clone(),
            at: location.clone(),
            live: live.clone(),
            part,
            bounds: bounds.clone(),
            // A part that came later was empty then.
            verified: known.map(|known| known.tally).unwrap_or_default(),
        };
        step.fan_out(&NewTask { kind: CompareTask::KIND, target: location.key(), input: to_value(&input) }).await?;
    }
    Ok(())
}
