//! The workflow of a tenant some of whose services take part by hooks: has each prepare its locations, then the tenant is online.
//! When one can't, everything is undone: the host is free again, and what was prepared is removed; then the same id can be created anew.

use std::collections::BTreeMap;

use async_trait::async_trait;
use catalogue::audit::{self, AuditEntry};
use catalogue::ledger::{self, EntryState, LedgerEntry};
use catalogue::{changes, placements, tenants, topologies, workflow_in_use};
use engine::{Next, OnFailure, StepError, StepTx, StoredError, Workflow, WorkflowRecord};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{StoreError, Tx};
use workers::ledger_permit::Permits;

use crate::actor::Actor;
use crate::data_tasks::EntryLedger;
use crate::deployment::Deployment;
use crate::mover_errors::step_error;
use crate::places::place_of;
use crate::removal::{Cause, Found, RemovalRef, queue_removal};

/// The creation of a tenant as stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProvisionState {
    /// Who asked, and why.
    pub actor: Actor,
    /// Where it stands.
    pub stage: ProvisionStage,
}

/// Where the creation of a tenant stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum ProvisionStage {
    /// Has the services prepare.
    Preparing,
    /// One of them can't: about to undo it all.
    Undoing {
        /// Why.
        error: StoredError,
    },
    /// The tenant is online.
    Online,
    /// There is no such tenant.
    Undone {
        /// Why.
        error: StoredError,
        /// What removes what was prepared.
        removals: Vec<RemovalRef>,
    },
}

/// All states.
pub const STATES: [&str; 4] = ["preparing", "undoing", "online", "undone"];

/// Attempts at having the services prepare.
pub(crate) const MAX_ATTEMPTS: u32 = 6;

/// The creation of a tenant.
pub struct Provision {
    deployment: Deployment,
}

impl Provision {
    /// The workflow on this deployment.
    pub fn new(deployment: Deployment) -> Self {
        Self { deployment }
    }
}

#[async_trait]
impl Workflow for Provision {
    type State = ProvisionState;
    type Seen = ();

    const KIND: &'static str = "provision";

    const REACHES_OUT: &'static [&'static str] = &["preparing"];

    fn name(state: &ProvisionState) -> &'static str {
        match state.stage {
            ProvisionStage::Preparing => "preparing",
            ProvisionStage::Undoing { .. } => "undoing",
            ProvisionStage::Online => "online",
            ProvisionStage::Undone { .. } => "undone",
        }
    }

    fn may_follow(from: &str, to: &str) -> bool {
        matches!((from, to), ("preparing", "online" | "undoing") | ("undoing", "undone"))
    }

    fn is_final(name: &str) -> bool {
        matches!(name, "online" | "undone")
    }

    /// One that was undone says that its tenant was never there for anybody, so that it can be created again.
    fn may_be_pruned(name: &str) -> bool {
        name != "undone"
    }

    async fn is_named(&self, tx: &mut Tx, record: &WorkflowRecord) -> Result<bool, StoreError> {
        workflow_in_use::names_workflow(tx, &record.id).await
    }

    async fn observe(&self, record: &WorkflowRecord, state: &ProvisionState) -> Result<(), StepError> {
        if !matches!(state.stage, ProvisionStage::Preparing) {
            return Ok(());
        }
        let mut tx = self.deployment.store.read().await?;
        let ledger_entries = unprepared(&mut tx, record).await?;
        tx.rollback().await?;
        for ledger_entry in ledger_entries {
            self.prepare(&record.subject, ledger_entry).await?;
        }
        Ok(())
    }

    async fn advance(
        &self,
        step: &mut StepTx<'_>,
        state: ProvisionState,
        (): (),
    ) -> Result<Next<ProvisionState>, StepError> {
        let stage = match &state.stage {
            ProvisionStage::Preparing => go_online(step, &state.actor).await?,
            ProvisionStage::Undoing { error } => undo(step, error.clone(), &state.actor).await?,
            ProvisionStage::Online | ProvisionStage::Undone { .. } => {
                return Err(StepError::permanent("no_such_step", "a tenant that is created has no next step"));
            }
        };
        Ok(Next::Go(ProvisionState { stage, ..state }, String::new()))
    }

    async fn ended(&self, _: &mut StepTx<'_>, _: &ProvisionState) -> Result<(), StepError> {
        Ok(())
    }

    fn on_failure(&self, state: &ProvisionState, error: &StepError, attempt: u32) -> OnFailure<ProvisionState> {
        let may_pass = error.may_pass() && attempt < MAX_ATTEMPTS;
        // Undoing touches nothing but the catalogue.
        if may_pass || matches!(state.stage, ProvisionStage::Undoing { .. }) {
            return OnFailure::Retry;
        }
        let stage = ProvisionStage::Undoing { error: error.stored() };
        OnFailure::Go(ProvisionState { stage, ..state.clone() })
    }
}

impl Provision {
    async fn prepare(&self, tenant: &str, ledger_entry: LedgerEntry) -> Result<(), StepError> {
        let place = place_of(&ledger_entry.location);
        let ledger = EntryLedger {
            store: self.deployment.store.clone(),
            tenant: tenant.to_owned(),
            key: ledger_entry.location.key(),
            service: ledger_entry.service,
            generation: ledger_entry.generation,
        };
        let movers = &self.deployment.movers;
        let permits = Permits::new(&ledger, movers.settings().permit_fresh_for).of_generation(ledger_entry.generation);
        let permits = permits.watching(movers.clock_watch(&place, self.deployment.timing.max_clock_skew));
        movers.provision(&place, tenant, &permits).await.map_err(step_error)
    }
}

async fn unprepared(tx: &mut Tx, record: &WorkflowRecord) -> Result<Vec<LedgerEntry>, StoreError> {
    let mut ledger_entries = ledger::of_tenant(tx, &record.subject).await?;
    ledger_entries.retain(|ledger_entry| {
        ledger_entry.state == EntryState::Adding && ledger_entry.workflow.as_deref() == Some(record.id.as_str())
    });
    Ok(ledger_entries)
}

/// Every service is ready: the entries become live and the tenant is online.
async fn go_online(step: &mut StepTx<'_>, by: &Actor) -> Result<ProvisionStage, StepError> {
    let (tenant, id) = (step.record.subject.clone(), step.record.id.clone());
    tenants::lock(step.tx, &tenant).await?;
    let Some(epoch) = tenants::provisioned(step.tx, &tenant).await? else { return Err(not_provisioning(&tenant)) };
    let stored = topologies::pin(step.tx).await?;
    let positions = match stored {
        Some(stored) => positions(step.tx, &tenant, &stored.topology).await?,
        None => BTreeMap::new(),
    };
    for ledger_entry in unprepared(step.tx, &step.record).await? {
        let key = ledger_entry.location.key();
        let position = positions.get(&(ledger_entry.service.clone(), key.clone())).copied().unwrap_or_default();
        let by = (Some(id.as_str()), by.changes(step.ids, Some(&id)));
        let live = ledger::become_live(step.tx, &tenant, &ledger_entry.service, &key, by).await?
            && ledger::set_position(step.tx, &tenant, &ledger_entry.service, &key, position).await?;
        if !live {
            return Err(StepError::permanent("ledger_mismatch", format!("the ledger's entry of {key} is not adding")));
        }
    }
    record(step, ("tenant.provisioned", by), (&tenant, epoch), json!({ "status": "online", "epoch": epoch })).await?;
    changes::append(step.tx, &tenant, epoch, "provisioned").await?;
    Ok(ProvisionStage::Online)
}

/// The place of each location in the order of its shard's regions.
async fn positions(
    tx: &mut Tx,
    tenant: &str,
    topology: &catalogue::topology::Topology,
) -> Result<BTreeMap<(String, String), i64>, StoreError> {
    let mut positions = BTreeMap::new();
    for (service, shard) in placements::of_tenant(tx, tenant).await? {
        let locations = topology.locations(&service, &shard, tenant);
        let locations =
            locations.map_err(|error| StoreError::Corrupt(format!("the placement of {tenant}: {error}")))?;
        for (location, position) in locations.iter().zip(0..) {
            positions.insert((service.clone(), location.key()), position);
        }
    }
    Ok(positions)
}

/// The tenant is gone, its host free, and every location that may have been prepared is removed.
async fn undo(step: &mut StepTx<'_>, error: StoredError, by: &Actor) -> Result<ProvisionStage, StepError> {
    let (tenant, id) = (step.record.subject.clone(), step.record.id.clone());
    tenants::lock(step.tx, &tenant).await?;
    let Some(epoch) = tenants::abandon(step.tx, &tenant).await? else { return Err(not_provisioning(&tenant)) };
    placements::remove_all(step.tx, &tenant).await?;
    let mut removals = Vec::new();
    for ledger_entry in ledger::of_tenant(step.tx, &tenant).await? {
        let cause = Cause::NotCreated { provision_id: id.clone() };
        let (service, at) = (&ledger_entry.service, ledger_entry.location.key());
        let why = (cause, Found::default(), by);
        removals.extend(queue_removal(step, &tenant, service, &at, ledger_entry.state, why).await?);
    }
    let after = json!({ "status": "gone", "epoch": epoch, "code": error.code });
    record(step, ("tenant.undone", by), (&tenant, epoch), after).await?;
    changes::append(step.tx, &tenant, epoch, "gone").await?;
    Ok(ProvisionStage::Undone { error, removals })
}

async fn record(
    step: &mut StepTx<'_>,
    (action, by): (&str, &Actor),
    (tenant, epoch): (&str, i64),
    after: serde_json::Value,
) -> Result<(), StoreError> {
    let entry = AuditEntry {
        id: step.ids.next(),
        at: step.now,
        who: by.who.clone(),
        origin: by.origin.clone(),
        action: action.to_owned(),
        tenant: Some(tenant.to_owned()),
        why: by.why.clone(),
        before: json!({ "status": "provisioning", "epoch": epoch - 1 }),
        after,
    };
    audit::append(step.tx, &entry).await
}

fn not_provisioning(tenant: &str) -> StepError {
    StepError::permanent("not_provisioning", format!("tenant {tenant} is not being created any more"))
}
