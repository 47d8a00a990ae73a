//! Sends an event again that was given up or delivered: the same id and body.

use catalogue::webhook_deliveries::{self, Delivery, PENDING};
use serde_json::json;

use crate::actor::Actor;
use crate::audit_entries;
use crate::deployment::Deployment;
use crate::refusal::Refusal;
use crate::timing::millis;

/// Sends one again, before those that wait. One that waits already stays as it is: `false`.
///
/// # Errors
/// `unknown_delivery`.
pub async fn replay_delivery(deployment: &Deployment, id: &str, actor: &Actor) -> Result<(Delivery, bool), Refusal> {
    let mut tx = deployment.store.begin().await?;
    let Some(delivery) = webhook_deliveries::lock(&mut tx, id).await? else {
        let message = format!("there is no delivery {id}: see `realmctl webhooks deliveries`");
        return Err(Refusal::not_found("unknown_delivery", message));
    };
    if delivery.state == PENDING {
        return Ok((delivery, false));
    }
    let now = tx.now().await?;
    let give_up_at = now + millis(deployment.webhooks.pace.give_up_after);
    webhook_deliveries::send_again(&mut tx, id, now, give_up_at).await?;
    let named = |state: &str| json!({ "delivery": id, "webhook": delivery.webhook, "state": state });
    let change = (named(&delivery.state), named(PENDING));
    audit_entries::changed(&mut tx, deployment.ids.as_ref(), "webhook.replay", change, actor).await?;
    let again = webhook_deliveries::lock(&mut tx, id).await?;
    tx.commit().await?;
    Ok((again.unwrap_or(delivery), true))
}
