//! Carries out what was asked for, in the caller's transaction.

use serde::{Deserialize, Serialize};
use store::Tx;

use super::content::Content;
use super::policy;
use crate::access::insert_in;
use crate::actor::Actor;
use crate::campaign::create_in;
use crate::controls::set_limit_in;
use crate::deployment::Deployment;
use crate::realm_move::{start_perhaps_paused_in, view_move};
use crate::refusal::Refusal;
use crate::removal::{Accepted, ReplayOutcome, replay_in};
use crate::topology_change::{Document, Proven, apply_in, prove_rename, put_proven_in};

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The move that was started.
    #[serde(rename = "move", default, skip_serializing_if = "Option::is_none")]
    pub started_move: Option<String>,
    /// The campaign that was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<String>,
    /// The removal that runs again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removal: Option<String>,
    /// The version of the topology that is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topology_version: Option<i64>,
    /// The scope that is limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// The token that is good from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Whether anything was changed: if not, it was so already.
    pub changed: bool,
}

impl Outcome {
    fn of(changed: bool) -> Self {
        Self {
            started_move: None,
            campaign: None,
            removal: None,
            topology_version: None,
            limit: None,
            token: None,
            changed,
        }
    }
}

/// What takes time, or asks others, and is done before any lock is taken.
pub(super) enum Prepared {
    Topology(Document),
    Rename(Proven),
    Nothing,
}

/// Prepares it. Changes nothing.
pub(super) async fn prepare(deployment: &Deployment, content: &Content) -> Result<Prepared, Refusal> {
    Ok(match content {
        Content::Topology(edit) => Prepared::Topology(Document::read(&edit.yaml)?),
        Content::RenameEndpoint(rename) => Prepared::Rename(prove_rename(deployment, rename).await?),
        _ => Prepared::Nothing,
    })
}

/// Carries it out. After a refusal the transaction has to be rolled back.
pub(super) async fn carry_out(
    deployment: &Deployment,
    tx: &mut Tx,
    (content, prepared): (&Content, Prepared),
    actor: &Actor,
) -> Result<Outcome, Refusal> {
    match (content, prepared) {
        (Content::Move { request, paused, plan_hash }, _) => {
            let started = start_perhaps_paused_in(deployment, tx, (request, *paused), actor).await?;
            if started.new && plan_hash.is_some() && *plan_hash != hash_of_plan(tx, &started.id).await? {
                let message = "the plan of the move is another one by now, because the topology was changed: ask for the move again";
                return Err(Refusal::conflict("plan_changed", message));
            }
            Ok(Outcome { started_move: Some(started.id), ..Outcome::of(started.new) })
        }
        (Content::Campaign { request }, _) => {
            let created = create_in(deployment, tx, request, actor).await?;
            Ok(Outcome { campaign: Some(created.id), ..Outcome::of(created.new) })
        }
        (Content::Replay { removal, accept_late_writes, accept_table }, _) => {
            let accepted = Accepted { late_writes: accept_late_writes.as_deref(), table: accept_table.as_deref() };
            let outcome = replay_in(deployment, tx, (removal, accepted), actor).await?;
            let changed = outcome == ReplayOutcome::Replayed;
            Ok(Outcome { removal: Some(removal.clone()), ..Outcome::of(changed) })
        }
        (Content::Topology(edit), Prepared::Topology(document)) => {
            let applied = apply_in(deployment, tx, document, edit, actor).await?;
            Ok(Outcome { topology_version: Some(applied.stored.version), ..Outcome::of(applied.changed) })
        }
        (Content::RenameEndpoint(rename), Prepared::Rename(proven)) => {
            if !proven.changes() {
                return Ok(Outcome::of(false));
            }
            let applied = put_proven_in(deployment, tx, (rename, proven), actor).await?;
            Ok(Outcome { topology_version: Some(applied.stored.version), ..Outcome::of(true) })
        }
        (Content::Limit { scope, change, on }, _) => {
            set_limit_in(deployment, tx, (scope, change), on, actor).await?;
            Ok(Outcome { limit: Some(scope.clone()), ..Outcome::of(true) })
        }
        (Content::Token(row), _) => {
            let token = row.token();
            insert_in(deployment, tx, &token, actor).await?;
            Ok(Outcome { token: Some(token.id), ..Outcome::of(true) })
        }
        (Content::Policy { policy: new, on }, _) => {
            Ok(Outcome::of(policy::set_in(deployment, tx, (new, on), actor).await?))
        }
        (Content::Topology(_) | Content::RenameEndpoint(_), _) => {
            unreachable!("it was prepared for what it is")
        }
    }
}

/// The hash of the plan of a move that was started in this transaction.
pub(super) async fn hash_of_plan(tx: &mut Tx, id: &str) -> Result<Option<String>, Refusal> {
    Ok(view_move(tx, id).await?.map(|found| found.plan_hash))
}
