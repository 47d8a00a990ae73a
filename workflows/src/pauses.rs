//! What a pause is in the catalogue: its row, the reasons that people gave for it, and its entries in the audit trail.

use catalogue::audit::{self, AuditEntry};
use engine::tables::pause_table::{self, Pause, PauseScope};
use serde_json::{Value, json};
use store::{StoreError, Tx};

use crate::actor::Actor;
use crate::deployment::Deployment;
use crate::timestamps::utc;

/// Bytes of reasons beyond which a pause shows no more of them.
const REASONS_MAX: usize = 4_000;

/// Pauses one workflow in the caller's transaction, which holds the row's lock or has inserted it.
pub(crate) async fn pause_in(
    deployment: &Deployment,
    tx: &mut Tx,
    (id, tenant): (&str, &str),
    actor: &Actor,
) -> Result<bool, StoreError> {
    let scope = PauseScope::Workflow(id.to_owned());
    let new = store_pause(deployment, tx, &scope, Some(tenant), actor).await?;
    if new {
        pause_table::hold_one(tx, id).await?;
    }
    Ok(new)
}

/// Pauses the scope, or adds a reason to its pause. `false`: it was paused already.
pub(crate) async fn store_pause(
    deployment: &Deployment,
    tx: &mut Tx,
    scope: &PauseScope,
    tenant: Option<&str>,
    actor: &Actor,
) -> Result<bool, StoreError> {
    let (who, why) = (actor.who.clone(), actor.why.clone());
    let pause = Pause { scope: scope.clone(), at: tx.now().await?, who, why };
    if pause_table::insert(tx, &pause).await? {
        let change = (tenant, shown(None), shown(Some(&pause)));
        record_change(deployment, tx, "pause", scope, change, actor).await?;
        return Ok(true);
    }
    let Some(before) = pause_table::lock(tx, scope).await? else { return Ok(false) };
    if says_something_new(&before, actor) {
        let after = Pause { why: both_reasons(&before, actor), ..before.clone() };
        pause_table::explain(tx, scope, &after.why).await?;
        let change = (tenant, shown(Some(&before)), shown(Some(&after)));
        record_change(deployment, tx, "pause", scope, change, actor).await?;
    }
    Ok(false)
}

/// Whether whoever pauses the same again gives a reason that the pause does not show yet.
fn says_something_new(pause: &Pause, again: &Actor) -> bool {
    let said = format!("{}: {}", again.who, again.why);
    let known = pause.why == again.why || pause.why.split("; ").any(|part| part == said);
    !again.why.is_empty() && !known
}

/// The reasons of a pause and of whoever pauses the same again: neither is lost, and from the second on each names whose it is. Beyond
/// [`REASONS_MAX`] the audit trail alone has more.
fn both_reasons(pause: &Pause, again: &Actor) -> String {
    if pause.why.len() > REASONS_MAX {
        return pause.why.clone();
    }
    match pause.why.as_str() {
        // Whose it is stands with the pause.
        "" if pause.who == again.who => again.why.clone(),
        "" => format!("{}: {}", again.who, again.why),
        why => format!("{why}; {}: {}", again.who, again.why),
    }
}

/// A pause, in words.
pub(crate) fn in_words(pause: &Pause) -> String {
    let what = match &pause.scope {
        PauseScope::All => "everything is paused".to_owned(),
        PauseScope::Tenant(id) => format!("tenant {id} is paused"),
        PauseScope::Workflow(_) => "it is paused".to_owned(),
    };
    let why = if pause.why.is_empty() { String::new() } else { format!(": {}", pause.why) };
    format!("{what} since {} by {}{why}", utc(pause.at), pause.who)
}

/// A pause as the audit trail shows it.
pub(crate) fn shown(pause: Option<&Pause>) -> Value {
    match pause {
        Some(pause) => json!({ "paused": true, "at": pause.at, "who": pause.who, "why": pause.why }),
        None => json!({ "paused": false }),
    }
}

/// Keeps a pause, or its end, in the audit trail.
pub(crate) async fn record_change(
    deployment: &Deployment,
    tx: &mut Tx,
    verb: &str,
    scope: &PauseScope,
    (tenant, before, after): (Option<&str>, Value, Value),
    actor: &Actor,
) -> Result<(), StoreError> {
    let noun = match scope {
        PauseScope::All => "all",
        PauseScope::Tenant(_) => "tenant",
        PauseScope::Workflow(_) => "workflow",
    };
    let mut after = after;
    after["scope"] = json!(scope.text());
    let entry = AuditEntry {
        id: deployment.ids.next(),
        at: tx.now().await?,
        who: actor.who.clone(),
        origin: actor.origin.clone(),
        action: format!("{noun}.{verb}"),
        tenant: tenant.map(str::to_owned),
        why: actor.why.clone(),
        before,
        after,
    };
    audit::append(tx, &entry).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_added_and_those_of_others_name_whose_they_are() {
        let pause = |why: &str| Pause { scope: PauseScope::All, at: 0, who: "ann".to_owned(), why: why.to_owned() };
        let sam = Actor::new("sam", "incident 7");
        assert_eq!(both_reasons(&pause(""), &sam), "sam: incident 7");
        assert_eq!(both_reasons(&pause(""), &Actor::new("ann", "incident 7")), "incident 7");
        let both = both_reasons(&pause("audit"), &sam);
        assert_eq!(both, "audit; sam: incident 7");
        assert!(says_something_new(&pause("audit"), &sam));
        for known in ["incident 7", both.as_str()] {
            assert!(!says_something_new(&pause(known), &sam), "{known}");
        }
        let words = in_words(&pause("incident 7"));
        assert_eq!(words, "everything is paused since 1970-01-01 00:00:00 UTC by ann: incident 7");
    }
}
