//! Gives a move that has not begun another time or window.

use catalogue::audit::{self, AuditEntry};
use engine::{Intervention, Next};
use serde_json::json;

use super::machine::RealmMove;
use super::schedule::When;
use super::state::Stage;
use crate::deployment::Deployment;
use crate::refusal::Refusal;
use crate::requester::Requester;

/// Reschedules the move. Only while it is scheduled.
pub async fn reschedule_move(
    deployment: &Deployment,
    id: &str,
    when: &When,
    requester: &Requester,
) -> Result<(), Refusal> {
    let mut tx = deployment.store.begin().await?;
    let held = Intervention::<RealmMove>::lock(&mut tx, deployment.ids.as_ref(), id).await?.ok_or_else(|| {
        Refusal::not_found("unknown_move", format!("there is no move {id}: see `realmctl moves list`"))
    })?;
    let mut state = held.state()?;
    if !matches!(state.stage, Stage::Scheduled) {
        let message = format!(
            "move {id} is {} and can't be rescheduled: only a move that has not begun can; look at it with `realmctl moves show \
             {id}`",
            state.stage.name()
        );
        return Err(Refusal::conflict("move_has_begun", message));
    }
    let due = when.check(&deployment.timing, &state.plan, held.step.now)?;
    let entry = AuditEntry {
        id: deployment.ids.next(),
        at: held.step.now,
        who: requester.who.clone(),
        action: "move.reschedule".to_owned(),
        tenant: Some(held.step.record.subject.clone()),
        why: requester.why.clone(),
        before: json!({ "move": id, "at": state.at, "window": state.window }),
        after: json!({ "move": id, "at": when.at, "window": when.window }),
    };
    audit::append(held.step.tx, &entry).await?;
    state.at = when.at;
    state.window = when.window;
    held.go(&Next::Stay(state, due), None).await?;
    tx.commit().await?;
    Ok(())
}
