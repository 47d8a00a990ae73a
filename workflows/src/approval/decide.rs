//! Approves a request, which carries it out, or declines it.

use catalogue::approvals::{self, StoredApproval};
use serde_json::json;
use store::Millis;

use super::asker::{Asker, person, record};
use super::carry_out::{Outcome, carry_out, prepare};
use super::content::Content;
use super::request::{APPROVED, Approval, DECLINED, PENDING, WITHDRAWN};
use super::shown::summary;
use crate::access::is_still_good;
use crate::actor::Actor;
use crate::deployment::Deployment;
use crate::refusal::Refusal;
use crate::timestamps::utc;

/// Approves exactly what has this hash, and carries it out, in one transaction.
///
/// # Errors
/// `unknown_approval`; `approval_not_pending`; `approval_expired`; `approval_other_content`; `approval_own`; `approval_needs_a_name`;
/// `approval_requester_gone`; whatever carrying it out is refused with: then it goes on waiting.
pub async fn approve(
    deployment: &Deployment,
    id: &str,
    content_hash: &str,
    approver: Asker<'_>,
) -> Result<(Approval, Outcome), Refusal> {
    let by = person(approver)?;
    let mut look = deployment.store.read().await?;
    let now = look.now().await?;
    let asked = approvals::find(&mut look, id).await?.ok_or_else(|| unknown(id))?;
    look.rollback().await?;
    may_approve(&asked, content_hash, by, now)?;
    let content = Content::read(&asked.content)?;
    let prepared = prepare(deployment, &content).await?;

    let mut tx = deployment.store.begin().await?;
    let asked = approvals::lock(&mut tx, id).await?.ok_or_else(|| unknown(id))?;
    let now = tx.now().await?;
    may_approve(&asked, content_hash, by, now)?;
    if let Some(token) = &asked.token
        && !is_still_good(&mut tx, token).await?
    {
        let message = format!(
            "the token of {}, who asked for this, is no longer good: it has to be asked for again",
            asked.requested_by
        );
        return Err(Refusal::conflict("approval_requester_gone", message));
    }
    let outcome = carry_out(deployment, &mut tx, (&content, prepared), &requester(&asked, by)).await?;
    let shown = json!(outcome);
    let decided = (by, approver.actor.why.as_str(), now);
    approvals::decide(&mut tx, (id, APPROVED), decided, Some(shown.to_string())).await?;
    let after = json!({
        "approval": id, "action": asked.action, "summary": summary(&content), "hash": asked.hash, "requestedBy": asked.requested_by, "outcome": shown,
    });
    record(deployment, &mut tx, "approval.approve", (&asked, after), approver.actor).await?;
    let approved = approvals::find(&mut tx, id).await?.ok_or_else(|| unknown(id))?;
    tx.commit().await?;
    Ok((Approval::read(approved, now)?, outcome))
}

/// Declines a request; whoever asked for it withdraws it so.
///
/// # Errors
/// `unknown_approval`; `approval_not_pending`; `approval_needs_a_name`.
pub async fn decline(deployment: &Deployment, id: &str, by: Asker<'_>) -> Result<Approval, Refusal> {
    let name = person(by)?;
    let mut tx = deployment.store.begin().await?;
    let asked = approvals::lock(&mut tx, id).await?.ok_or_else(|| unknown(id))?;
    let now = tx.now().await?;
    is_pending(&asked)?;
    let (state, action) = if same_person(&asked.requested_by, name) {
        (WITHDRAWN, "approval.withdraw")
    } else {
        (DECLINED, "approval.decline")
    };
    approvals::decide(&mut tx, (id, state), (name, &by.actor.why, now), None).await?;
    let after = json!({
        "approval": id, "action": asked.action, "summary": summary(&Content::read(&asked.content)?), "hash": asked.hash,
        "requestedBy": asked.requested_by,
    });
    record(deployment, &mut tx, action, (&asked, after), by.actor).await?;
    let declined = approvals::find(&mut tx, id).await?.ok_or_else(|| unknown(id))?;
    tx.commit().await?;
    Ok(Approval::read(declined, now)?)
}

/// Decides, and changes nothing.
pub(super) fn may_approve(asked: &StoredApproval, content_hash: &str, by: &str, now: Millis) -> Result<(), Refusal> {
    is_pending(asked)?;
    if asked.expires_at <= now {
        let message = format!("it was good until {} only: it has to be asked for again", utc(asked.expires_at));
        return Err(Refusal::conflict("approval_expired", message));
    }
    if same_person(&asked.requested_by, by) {
        let message = format!("{by} has asked for this: another person has to approve it");
        return Err(Refusal::conflict("approval_own", message));
    }
    if asked.hash != content_hash {
        let message = format!(
            "what you approve is not what was asked for, whose hash is {}: look at it with `realmctl approvals show {}` first",
            asked.hash, asked.id
        );
        return Err(Refusal::conflict("approval_other_content", message));
    }
    Ok(())
}

fn is_pending(asked: &StoredApproval) -> Result<(), Refusal> {
    if asked.state == PENDING {
        return Ok(());
    }
    let by = asked.decided_by.as_deref().unwrap_or("somebody");
    Err(Refusal::conflict("approval_not_pending", format!("it was {} by {by} already", asked.state)))
}

/// Names that differ in case only are one person's.
fn same_person(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// Whoever asked, as the trail calls what is carried out.
fn requester(asked: &StoredApproval, by: &str) -> Actor {
    Actor { who: format!("{} (approved by {by})", asked.who), why: asked.why.clone(), origin: asked.origin.clone() }
}

fn unknown(id: &str) -> Refusal {
    Refusal::not_found(
        "unknown_approval",
        format!("there is no request {id} for approval: see `realmctl approvals list`"),
    )
}
