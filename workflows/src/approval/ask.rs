//! Asks for approval, if the policy says so.

use catalogue::approvals::{self, StoredApproval};
use serde_json::json;
use store::{Millis, Tx};

use super::asker::{Asker, person, record};
use super::carry_out::{carry_out, hash_of_plan, prepare};
use super::content::{Content, hash};
use super::policy::policy;
use super::request::{Approval, PENDING};
use super::shown::summary;
use crate::access::{Created, NewToken, TokenKeys, make_token};
use crate::actor::Actor;
use crate::deployment::Deployment;
use crate::refusal::Refusal;
use crate::timestamps::rfc3339;

/// Asks for approval if the policy wants it; nothing: go on. What would be refused is refused now.
///
/// # Errors
/// Whatever carrying it out would be refused with; `approval_needs_a_name` if it is not proved who asks.
pub async fn ask_if_needed(
    deployment: &Deployment,
    mut content: Content,
    asker: Asker<'_>,
) -> Result<Option<Approval>, Refusal> {
    let mut look = deployment.store.read().await?;
    let (policy, _) = policy(&mut look).await?;
    look.rollback().await?;
    let is_weaker = match &content {
        Content::Policy { policy: new, .. } => new.is_weaker_than(&policy),
        _ => true,
    };
    if !is_weaker || !policy.requires(content.action()) {
        return Ok(None);
    }
    let person = person(asker)?;
    let prepared = prepare(deployment, &content).await?;
    let mut rehearsal = deployment.store.begin().await?;
    let outcome = carry_out(deployment, &mut rehearsal, (&content, prepared), asker.actor).await?;
    if let (Content::Move { plan_hash, .. }, Some(id)) = (&mut content, &outcome.started_move) {
        *plan_hash = hash_of_plan(&mut rehearsal, id).await?;
    }
    let tenant = tenant(&mut rehearsal, &content).await?;
    rehearsal.rollback().await?;
    if !outcome.changed {
        return Ok(None);
    }
    let valid_for = policy.valid_for_ms;
    keep(deployment, (&content, tenant), (asker, person), valid_for).await.map(Some)
}

/// Makes a token that is good once it is approved, if the policy wants that; nothing: go on.
pub async fn ask_for_token(
    deployment: &Deployment,
    keys: &TokenKeys,
    new: &NewToken,
    asker: Asker<'_>,
) -> Result<Option<(Approval, Created)>, Refusal> {
    let mut look = deployment.store.read().await?;
    let (policy, _) = policy(&mut look).await?;
    let made = if policy.requires(super::Action::Token) {
        Some(make_token(&mut look, keys, new, asker.actor).await?)
    } else {
        None
    };
    look.rollback().await?;
    let Some(made) = made else { return Ok(None) };
    let asked = ask_if_needed(deployment, Content::Token((&made.token).into()), asker).await?;
    Ok(asked.map(|approval| (approval, made)))
}

async fn tenant(tx: &mut Tx, content: &Content) -> Result<Option<String>, Refusal> {
    Ok(match content {
        Content::Move { request, .. } => Some(request.tenant.clone()),
        Content::Replay { removal, .. } => {
            engine::tables::workflow_table::get(tx, removal).await?.map(|found| found.subject)
        }
        _ => None,
    })
}

async fn keep(
    deployment: &Deployment,
    (content, tenant): (&Content, Option<String>),
    (asker, person): (Asker<'_>, &str),
    valid_for: Millis,
) -> Result<Approval, Refusal> {
    let text = content.text();
    let hash = hash(&text);
    let mut tx = deployment.store.begin().await?;
    let now = tx.now().await?;
    if let Some(keep) = asker.keep {
        approvals::forget(&mut tx, now - keep).await?;
    }
    if let Some(same) = approvals::find_same(&mut tx, &hash, person, now).await? {
        return Approval::read(same, now).map_err(Refusal::from);
    }
    let Actor { who, why, origin } = asker.actor.clone();
    let new = StoredApproval {
        id: deployment.ids.next(),
        action: content.action().as_str().to_owned(),
        tenant,
        content: text,
        hash,
        requested_by: person.to_owned(),
        token: asker.token.map(str::to_owned),
        who,
        origin,
        why,
        requested_at: now,
        expires_at: now + valid_for,
        state: PENDING.to_owned(),
        decided_by: None,
        decided_why: None,
        decided_at: None,
        outcome: None,
    };
    approvals::insert(&mut tx, &new).await?;
    let after = json!({
        "approval": new.id, "action": new.action, "summary": summary(content), "hash": new.hash, "expiresAt": rfc3339(new.expires_at),
    });
    record(deployment, &mut tx, "approval.request", (&new, after), asker.actor).await?;
    tx.commit().await?;
    Ok(Approval::read(new, now)?)
}
