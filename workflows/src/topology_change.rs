//! Applies a topology file: validated as a whole, and refused where it would strand a placement or a cell.

use catalogue::audit::{self, AuditEntry};
use catalogue::topologies::{self, StoredTopology};
use catalogue::topology::{InUse, Topology};
use catalogue::{ledger, placements, tenants};
use serde_json::json;
use store::Tx;

use crate::deployment::Deployment;
use crate::refusal::Refusal;
use crate::requester::Requester;

/// Checks the file, also against what is in use, and stores nothing.
pub async fn check_topology(deployment: &Deployment, yaml: &str) -> Result<Topology, Refusal> {
    let mut tx = deployment.store.read().await?;
    let topology = accept(&mut tx, yaml).await?;
    tx.rollback().await?;
    Ok(topology)
}

/// Puts the file in force. Applying what is in force already changes nothing; says whether anything changed.
pub async fn apply_topology(
    deployment: &Deployment,
    yaml: &str,
    requester: &Requester,
) -> Result<(StoredTopology, bool), Refusal> {
    let mut tx = deployment.store.begin().await?;
    let current = topologies::pin(&mut tx).await?;
    let topology = accept(&mut tx, yaml).await?;
    let hash = topology.version_hash();
    if let Some(current) = &current
        && current.hash == hash
    {
        return Ok((current.clone(), false));
    }
    let now = tx.now().await?;
    let stored = StoredTopology {
        version: current.as_ref().map_or(1, |current| current.version + 1),
        hash,
        topology,
        applied_at: now,
        applied_by: requester.who.clone(),
    };
    topologies::insert(&mut tx, &stored).await?;
    let entry = AuditEntry {
        id: deployment.ids.next(),
        at: now,
        who: requester.who.clone(),
        action: "topology.apply".to_owned(),
        tenant: None,
        why: requester.why.clone(),
        before: json!({ "version": current.as_ref().map(|c| c.version), "hash": current.as_ref().map(|c| &c.hash) }),
        after: json!({ "version": stored.version, "hash": stored.hash }),
    };
    audit::append(&mut tx, &entry).await?;
    tx.commit().await?;
    Ok((stored, true))
}

async fn accept(tx: &mut Tx, yaml: &str) -> Result<Topology, Refusal> {
    let (topology, lines) = Topology::parse_with_lines(yaml).map_err(Refusal::Topology)?;
    if let Some(current) = topologies::current(tx).await? {
        let in_use = InUse {
            placements: placements::load(tx).await?,
            cells: ledger::in_use(tx).await?.into_iter().map(|cell| (cell.service, cell.location)).collect(),
            realms: tenants::count_by_realm(tx).await?.into_iter().collect(),
        };
        let problems = current.topology.check_edit(&topology, &in_use);
        if !problems.is_empty() {
            return Err(Refusal::Topology(lines.locate(problems)));
        }
    }
    Ok(topology)
}
