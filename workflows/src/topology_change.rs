//! Applies a topology file: validated as a whole, refused where it would strand a placement or an entry, and refused where it does
//! something to tenants or moves that nobody has accepted. The file is read before any lock, and what is asked under the lock does not
//! grow with the number of tenants.

mod consequences;
mod rename_endpoint;

use catalogue::audit::{self, AuditEntry};
use catalogue::topologies::{self, StoredTopology};
use catalogue::topology::{InUse, Lines, Topology};
use catalogue::{ledger, placements, tenants};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{StoreError, Tx};

use crate::actor::Actor;
use crate::deployment::Deployment;
use crate::precondition::{Precondition, Tag};
use crate::refusal::Refusal;

pub use consequences::Consequence;
pub(crate) use rename_endpoint::{Proven, prove_rename, put_proven_in};
pub use rename_endpoint::{Rename, rename, rename_endpoint};

/// Checks the file, also against what is in use, and stores nothing. Says what it would do besides.
pub async fn check_topology(deployment: &Deployment, yaml: &str) -> Result<(Topology, Vec<Consequence>), Refusal> {
    let document = Document::read(yaml)?;
    let mut tx = deployment.store.read().await?;
    let current = topologies::current(&mut tx).await?;
    if document.is(current.as_ref()) {
        return Ok((document.topology, Vec::new()));
    }
    document.strands_nothing(&mut tx, current.as_ref()).await?;
    let current = current.map(|stored| stored.topology);
    let consequences = consequences::consequences(&mut tx, current.as_ref(), &document.topology).await?;
    tx.rollback().await?;
    Ok((document.topology, consequences))
}

/// A topology that was applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// What is in force.
    pub stored: StoredTopology,
    /// Whether this put it in force.
    pub changed: bool,
    /// What it does besides, which was accepted.
    pub consequences: Vec<Consequence>,
}

/// Puts the file in force, unless it does something besides. Applying what is in force already changes nothing; says whether
/// anything changed.
pub async fn apply_topology(
    deployment: &Deployment,
    yaml: &str,
    actor: &Actor,
) -> Result<(StoredTopology, bool), Refusal> {
    let applied = apply_topology_accepting(deployment, yaml, false, actor).await?;
    Ok((applied.stored, applied.changed))
}

/// The same; with `accepting`, whatever it does besides.
pub async fn apply_topology_accepting(
    deployment: &Deployment,
    yaml: &str,
    accepting: bool,
    actor: &Actor,
) -> Result<Applied, Refusal> {
    let edit = Edit { yaml: yaml.to_owned(), accept: accepting, on: Precondition::Any };
    apply_edit(deployment, &edit, actor).await
}

/// A topology file that somebody wants to be in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// The file.
    pub yaml: String,
    /// Whatever it does besides.
    #[serde(default)]
    pub accept: bool,
    /// In the place of what.
    #[serde(default)]
    pub on: Precondition,
}

/// Puts it in force.
pub async fn apply_edit(deployment: &Deployment, edit: &Edit, actor: &Actor) -> Result<Applied, Refusal> {
    let document = Document::read(&edit.yaml)?;
    // Nobody has to wait for a file that changes nothing.
    let mut look = deployment.store.read().await?;
    let current = topologies::current(&mut look).await?;
    look.rollback().await?;
    edit.on.check(&tag(current.as_ref()), "the topology")?;
    if let Some(stored) = current.filter(|current| document.is(Some(current))) {
        return Ok(Applied { stored, changed: false, consequences: Vec::new() });
    }
    let mut tx = deployment.store.begin().await?;
    let applied = apply_in(deployment, &mut tx, document, edit, actor).await?;
    if applied.changed {
        tx.commit().await?;
    }
    Ok(applied)
}

/// The same in the caller's transaction, of a file that was read before. After a refusal it has to be rolled back.
pub(crate) async fn apply_in(
    deployment: &Deployment,
    tx: &mut Tx,
    document: Document,
    edit: &Edit,
    actor: &Actor,
) -> Result<Applied, Refusal> {
    let current = topologies::pin(tx).await?;
    edit.on.check(&tag(current.as_ref()), "the topology")?;
    if let Some(stored) = current.as_ref().filter(|current| document.is(Some(current))) {
        return Ok(Applied { stored: stored.clone(), changed: false, consequences: Vec::new() });
    }
    document.strands_nothing(tx, current.as_ref()).await?;
    let Document { topology, .. } = document;
    let before = current.as_ref().map(|current| &current.topology);
    let consequences = consequences::consequences(tx, before, &topology).await?;
    if !consequences.is_empty() && !edit.accept {
        return Err(not_accepted(&consequences));
    }
    let how = How { action: "topology.apply", says: json!({ "accepted": consequences }) };
    let stored = put_in_force(deployment, tx, (current.as_ref(), topology), how, actor).await?;
    Ok(Applied { stored, changed: true, consequences })
}

/// Names the topology in force: its version and what it says.
pub fn topology_tag(stored: &StoredTopology) -> Tag {
    Tag::new(format!("{}-{}", stored.version, stored.hash.get(..16).unwrap_or(&stored.hash)))
}

fn tag(stored: Option<&StoredTopology>) -> Tag {
    stored.map_or_else(|| Tag::new("none"), topology_tag)
}

/// What the audit trail has of a change of the topology.
struct How {
    action: &'static str,
    /// Besides versions and hashes.
    says: Value,
}

/// Puts `topology` in the place of `current`, which is pinned.
async fn put_in_force(
    deployment: &Deployment,
    tx: &mut Tx,
    (current, topology): (Option<&StoredTopology>, Topology),
    how: How,
    actor: &Actor,
) -> Result<StoredTopology, StoreError> {
    let now = tx.now().await?;
    let stored = StoredTopology {
        version: current.map_or(1, |current| current.version + 1),
        hash: topology.version_hash(),
        topology,
        applied_at: now,
        applied_by: actor.who.clone(),
    };
    topologies::insert(tx, &stored).await?;
    let mut after = how.says;
    (after["version"], after["hash"]) = (stored.version.into(), stored.hash.clone().into());
    let entry = AuditEntry {
        id: deployment.ids.next(),
        at: now,
        who: actor.who.clone(),
        origin: actor.origin.clone(),
        action: how.action.to_owned(),
        tenant: None,
        why: actor.why.clone(),
        before: json!({ "version": current.map(|c| c.version), "hash": current.map(|c| &c.hash) }),
        after,
    };
    audit::append(tx, &entry).await?;
    Ok(stored)
}

fn not_accepted(consequences: &[Consequence]) -> Refusal {
    let words: Vec<_> = consequences.iter().map(|consequence| consequence.message.as_str()).collect();
    let message = format!(
        "nothing was changed: {}. If that is what you want, apply it with --accept (in the API: ?accept=true)",
        words.join(". ")
    );
    Refusal::conflict("consequences_not_accepted", message)
}

/// A file whose form is right.
pub(crate) struct Document {
    topology: Topology,
    lines: Lines,
    hash: String,
}

impl Document {
    pub(crate) fn read(yaml: &str) -> Result<Self, Refusal> {
        let (topology, lines) = Topology::parse_with_lines(yaml).map_err(Refusal::Topology)?;
        let hash = topology.version_hash();
        Ok(Self { topology, lines, hash })
    }

    /// Whether that is what it says.
    fn is(&self, stored: Option<&StoredTopology>) -> bool {
        stored.is_some_and(|stored| stored.hash == self.hash)
    }

    /// Refuses what would strand a placement or an entry.
    async fn strands_nothing(&self, tx: &mut Tx, current: Option<&StoredTopology>) -> Result<(), Refusal> {
        let Some(current) = current else { return Ok(()) };
        let in_use = InUse {
            placements: placements::load(tx).await?,
            ledger_entries: ledger::sites_in_use(tx).await?,
            realms: tenants::count_by_realm(tx).await?.into_iter().collect(),
        };
        let problems = current.topology.check_edit(&self.topology, &in_use);
        if problems.is_empty() { Ok(()) } else { Err(Refusal::Topology(self.lines.locate(problems))) }
    }
}
