//! `notify`: the switch is committed; tells the world. The change feed carries it already (written by the commit itself);
//! services with hooks are told that what they added is in use. What can't be told is a warning: the switch has happened.

use catalogue::ledger;
use catalogue::location::{Address, Location};
use engine::{Next, StepError};
use tracing::warn;
use workers::fitness::is_own_failure;
use workers::ledger_permit::Permits;

use crate::data_tasks::EntryLedger;
use crate::deployment::Deployment;
use crate::mover_errors::step_error;
use crate::places::place_of;
use crate::realm_move::state::{Committed, MoveState, Stage};

/// Tells each service with hooks; returns what could not be told to whom. Each call is bounded by the movers' own patience. That this
/// process can't is an error: another may.
pub(crate) async fn observe(
    deployment: &Deployment,
    tenant: &str,
    state: &MoveState,
) -> Result<Vec<String>, StepError> {
    let mut warnings = Vec::new();
    for service in &state.plan.services {
        let hooked = |added: &&Location| matches!(added.address, Address::Hooks { .. });
        for added in service.add.iter().filter(hooked) {
            if let Err(error) = tell(deployment, tenant, &service.service, added).await {
                if is_own_failure(&error.code) {
                    return Err(error);
                }
                warn!(
                    tenant,
                    service = service.service,
                    error = error.chain(),
                    "a service could not be told of the commit"
                );
                warnings.push(format!("{} at {}: {}: {}", service.service, added.name, error.code, error.message));
            }
        }
    }
    Ok(warnings)
}

async fn tell(deployment: &Deployment, tenant: &str, service: &str, added: &Location) -> Result<(), StepError> {
    let key = added.key();
    let mut tx = deployment.store.read().await?;
    let entry = ledger::get(&mut tx, tenant, service, &key).await?;
    tx.rollback().await?;
    let Some(entry) = entry else {
        return Err(StepError::permanent("ledger_entry_missing", format!("the ledger has no entry for {key}")));
    };
    let ledger = EntryLedger {
        store: deployment.store.clone(),
        tenant: tenant.to_owned(),
        service: service.to_owned(),
        key,
        generation: entry.generation,
    };
    let movers = &deployment.movers;
    let permits = Permits::new(&ledger, movers.settings().permit_fresh_for).of_generation(entry.generation);
    movers.commit(&place_of(added), tenant, &permits).await.map_err(step_error)
}

pub(crate) fn advance(state: MoveState, committed: Committed, warnings: Vec<String>) -> Next<MoveState> {
    Next::Go(state.at_stage(Stage::Completed { committed, warnings }), String::new())
}
