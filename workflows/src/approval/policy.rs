//! Which actions wait for approval. Asking for more takes effect at once; asking for less waits for another person, too.

use std::collections::BTreeSet;

use catalogue::approvals::{self, StoredPolicy};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{Millis, StoreError, Tx};

use super::action::Action;
use crate::actor::Actor;
use crate::audit_entries;
use crate::deployment::Deployment;
use crate::precondition::{Precondition, Tag};
use crate::refusal::Refusal;

/// How long a request may wait: 10 minutes to 30 days, a day unless the policy says.
const VALID_FOR: Millis = 86_400_000;
const SHORTEST: Millis = 600_000;
const LONGEST: Millis = 30 * 86_400_000;

/// Which actions wait for approval, and how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// The actions.
    pub actions: BTreeSet<Action>,
    /// How long a request waits, in milliseconds.
    pub valid_for_ms: Millis,
}

impl Default for Policy {
    fn default() -> Self {
        Self { actions: BTreeSet::new(), valid_for_ms: VALID_FOR }
    }
}

impl Policy {
    pub(super) fn requires(&self, action: Action) -> bool {
        self.actions.contains(&action) || action.is_implied() && !self.actions.is_empty()
    }

    /// Whether it lets something go on that `before` holds.
    pub(super) fn is_weaker_than(&self, before: &Self) -> bool {
        !before.actions.is_subset(&self.actions)
            || self.valid_for_ms > before.valid_for_ms && !before.actions.is_empty()
    }

    fn check(&self) -> Result<(), Refusal> {
        if let Some(action) = self.actions.iter().find(|action| action.is_implied()) {
            let message =
                format!("`{}` waits for approval whenever anything does: name other actions", action.as_str());
            return Err(Refusal::invalid("invalid_policy", message));
        }
        if !(SHORTEST..=LONGEST).contains(&self.valid_for_ms) {
            return Err(Refusal::invalid("invalid_policy", "a request waits for 10 minutes to 30 days"));
        }
        Ok(())
    }

    fn read(stored: &StoredPolicy) -> Result<Self, StoreError> {
        let actions = serde_json::from_str(&stored.actions)
            .map_err(|error| StoreError::Corrupt(format!("the approval policy: {error}")))?;
        Ok(Self { actions, valid_for_ms: stored.valid_for_ms })
    }
}

/// The policy in force, and when and by whom it was set, if it ever was.
pub async fn policy(tx: &mut Tx) -> Result<(Policy, Option<(Millis, String)>), StoreError> {
    let Some(stored) = approvals::policy(tx).await? else { return Ok((Policy::default(), None)) };
    Ok((Policy::read(&stored)?, Some((stored.set_at, stored.set_by))))
}

/// Names the policy in force.
pub fn policy_tag(policy: &Policy) -> Tag {
    Tag::of(&json!(policy))
}

/// Puts a policy in force that asks for no less than the one before, if that is the one that the caller has seen.
///
/// # Errors
/// `invalid_policy`; `precondition_failed`.
pub async fn set_policy_if(
    deployment: &Deployment,
    new: &Policy,
    on: &Precondition,
    actor: &Actor,
) -> Result<(), Refusal> {
    let mut tx = deployment.store.begin().await?;
    let (before, _) = policy(&mut tx).await?;
    if new.is_weaker_than(&before) {
        // It was made stronger a moment ago.
        return Err(Refusal::conflict(
            "conflict",
            "the approval policy was changed just now: look at it and try again",
        ));
    }
    set_in(deployment, &mut tx, (new, on), actor).await?;
    Ok(tx.commit().await?)
}

/// Puts a policy in force. `false`: it was already.
pub(super) async fn set_in(
    deployment: &Deployment,
    tx: &mut Tx,
    (new, on): (&Policy, &Precondition),
    actor: &Actor,
) -> Result<bool, Refusal> {
    new.check()?;
    let (before, set) = policy(tx).await?;
    on.check(&policy_tag(&before), "the approval policy")?;
    if before == *new && set.is_some() {
        return Ok(false);
    }
    let stored = StoredPolicy {
        actions: json!(new.actions).to_string(),
        valid_for_ms: new.valid_for_ms,
        set_at: tx.now().await?,
        set_by: actor.who.clone(),
    };
    approvals::set_policy(tx, &stored).await?;
    let before = set.map_or(Value::Null, |_| json!(before));
    audit_entries::changed(tx, deployment.ids.as_ref(), "approval.policy", (before, json!(new)), actor).await?;
    Ok(true)
}
