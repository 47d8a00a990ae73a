//! Gives a move that has not begun another time or window. A time alone leaves the window that it has as it is.

use catalogue::audit::{self, AuditEntry};
use engine::{ExternalTransition, Next};
use serde_json::json;

use crate::actor::Actor;
use crate::deployment::Deployment;
use crate::realm_move::state::Stage;
use crate::realm_move::state_machine::RealmMove;
use crate::realm_move::states::scheduled::When;
use crate::realm_move::window::Window;
use crate::refusal::Refusal;
use crate::timestamps::utc;

/// Reschedules the move. Only while it is scheduled.
pub async fn reschedule_move(deployment: &Deployment, id: &str, when: &When, actor: &Actor) -> Result<(), Refusal> {
    let mut tx = deployment.store.begin().await?;
    let held = ExternalTransition::<RealmMove>::lock(&mut tx, deployment.ids.as_ref(), id).await?.ok_or_else(|| {
        Refusal::not_found("unknown_move", format!("there is no move {id}: see `realmctl moves list`"))
    })?;
    let mut state = held.state()?;
    if !matches!(state.stage, Stage::Scheduled) {
        let message = format!(
            "move {id} is in state {} and can't be rescheduled: only a move that has not begun can; look at it with `realmctl \
             moves show {id}`",
            state.stage.name()
        );
        return Err(Refusal::conflict("move_has_begun", message));
    }
    when.check(&deployment.timing, &state.plan, held.step.now)?;
    let when = &within(when, state.window)?;
    let due = when.fits(&deployment.timing, &state.plan, held.step.now)?;
    let entry = AuditEntry {
        id: deployment.ids.next(),
        at: held.step.now,
        who: actor.who.clone(),
        origin: actor.origin.clone(),
        action: "move.reschedule".to_owned(),
        tenant: Some(held.step.record.subject.clone()),
        why: actor.why.clone(),
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

/// The time asked for, within the window that the move has, which stays as it is.
fn within(asked: &When, window: Option<Window>) -> Result<When, Refusal> {
    let (Some(at), Some(window)) = (asked.at, window.filter(|_| asked.window.is_none())) else { return Ok(*asked) };
    if (window.from..window.to).contains(&at) {
        return Ok(When { at: Some(at), window: Some(window) });
    }
    let message = format!(
        "the move has a window, from {} to {}, and {} is not within it: give it another window",
        utc(window.from),
        utc(window.to),
        utc(at)
    );
    Err(Refusal::conflict("outside_window", message))
}

#[cfg(test)]
mod tests {
    use crate::realm_move::commands::reschedule::*;

    #[test]
    fn a_time_alone_keeps_the_window() {
        let window = Window { from: 100, to: 200 };
        let at = |at| When { at: Some(at), window: None };
        assert_eq!(within(&at(150), Some(window)).unwrap(), When { at: Some(150), window: Some(window) });
        for outside in [99, 200] {
            assert_eq!(within(&at(outside), Some(window)).unwrap_err().code(), "outside_window");
        }
        assert_eq!(within(&at(150), None).unwrap(), at(150));
        let other = When { at: None, window: Some(Window { from: 300, to: 400 }) };
        assert_eq!(within(&other, Some(window)).unwrap(), other);
    }
}
