//! What an edit of the topology that is allowed does to tenants and moves all the same, with numbers: a person accepts it first.

use catalogue::placements;
use catalogue::topology::Topology;
use engine::tables::workflow_table;
use engine::{Workflow, WorkflowRecord};
use serde::{Deserialize, Serialize};
use store::{StoreError, Tx};

use crate::plan::changed_since;
use crate::planning;
use crate::realm_move::{MoveState, RealmMove};

/// Moves read at a time.
const AT_ONCE: i64 = 200;
/// Ids named at most.
const MOST_NAMED: usize = 3;

/// One thing that an edit does besides what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Consequence {
    /// A stable name: `not_placed`, `plans_void`. Never renamed.
    pub code: String,
    /// The service that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// How many tenants, or moves.
    pub count: u64,
    /// In words, with what to do about it.
    pub message: String,
}

/// Everything that putting `new` in the place of `current` does besides. Empty: nothing needs to be accepted.
pub(super) async fn consequences(
    tx: &mut Tx,
    current: Option<&Topology>,
    new: &Topology,
) -> Result<Vec<Consequence>, StoreError> {
    let mut found = Vec::new();
    for service in newly_mandatory(current, new) {
        let count = placements::count_without(tx, service).await?;
        if count > 0 {
            found.push(not_placed(service, count));
        }
    }
    if let Some(current) = current {
        let (count, voided) = voided_moves(tx, current, new).await?;
        found.extend((count > 0).then(|| plans_void(count, &voided)));
    }
    Ok(found)
}

/// Services in which a tenant must be placed to be moved, and did not have to be before.
fn newly_mandatory<'t>(current: Option<&'t Topology>, new: &'t Topology) -> impl Iterator<Item = &'t String> {
    let before = move |name: &String| current.and_then(|current| current.services.get(name));
    let new = new.services.iter().filter(|(_, service)| !service.optional);
    new.filter(move |(name, _)| before(name).is_none_or(|service| service.optional)).map(|(name, _)| name)
}

fn not_placed(service: &str, count: u64) -> Consequence {
    let (tenants, have, their) = match count {
        1 => ("1 tenant".to_owned(), "has", "its"),
        _ => (format!("{count} tenants"), "have", "their"),
    };
    let message = format!(
        "{tenants} {have} no placement in service {service}: {their} moves will be refused (not_adopted). There is no way yet to \
         place existing tenants in a service; mark it `optional: true` and moves leave it alone, while new tenants are placed \
         in it"
    );
    Consequence { code: "not_placed".to_owned(), service: Some(service.to_owned()), count, message }
}

fn plans_void(count: u64, examples: &[(String, String)]) -> Consequence {
    let moves = if count == 1 { "1 move has".to_owned() } else { format!("{count} moves have") };
    let named: Vec<_> = examples.iter().map(|(id, why)| format!("{id} ({why})")).collect();
    let message = format!(
        "{moves} not gone offline yet and will fail (plan_changed), because this touches what was approved: {}. Start them \
         again afterwards",
        named.join(", ")
    );
    Consequence { code: "plans_void".to_owned(), service: None, count, message }
}

/// How many moves that have yet to go offline would find their plan changed, and why some of them would.
async fn voided_moves(
    tx: &mut Tx,
    current: &Topology,
    new: &Topology,
) -> Result<(u64, Vec<(String, String)>), StoreError> {
    let (mut count, mut examples) = (0, Vec::new());
    for state in ["scheduled", "preflight", "waiting", "offline"] {
        let mut before: Option<String> = None;
        loop {
            let page = workflow_table::list(tx, RealmMove::KIND, None, Some(state), before.as_deref(), AT_ONCE).await?;
            let Some(last) = page.last() else { break };
            before = Some(last.id.clone());
            for record in &page {
                let Some(why) = voided(tx, record, current, new).await? else { continue };
                count += 1;
                if examples.len() < MOST_NAMED {
                    examples.push((record.id.clone(), why));
                }
            }
        }
    }
    Ok((count, examples))
}

/// Why the plan of a move would no longer hold under `new`; `None`: it would, or does not even now, or another version has to say.
async fn voided(
    tx: &mut Tx,
    record: &WorkflowRecord,
    current: &Topology,
    new: &Topology,
) -> Result<Option<String>, StoreError> {
    let Ok(state) = serde_json::from_str::<MoveState>(&record.data) else { return Ok(None) };
    let placed = planning::placed(tx, &record.subject, current).await?;
    if changed_since(&state.plan, current, &placed).is_some() {
        return Ok(None);
    }
    let placed = planning::placed(tx, &record.subject, new).await?;
    Ok(changed_since(&state.plan, new, &placed))
}
