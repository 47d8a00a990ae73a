//! What is shown of webhooks and their deliveries.

use catalogue::audit_chain;
use catalogue::topology::WEBHOOKS_MAX;
use catalogue::webhook_deliveries::{self, Delivery, FAILED, PENDING};
use catalogue::webhooks::{self, Webhook};
use serde::{Deserialize, Serialize};
use store::{StoreError, Tx};

use crate::timestamps::rfc3339;

/// Deliveries are counted up to this many.
const COUNTED: i64 = 10_000;

/// A webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookView {
    /// Its name in the operator's file.
    pub name: String,
    /// Where it is called.
    pub url: String,
    /// The types of events that it is told of; an empty list stands for all.
    pub events: Vec<String>,
    /// The newest entry of the audit trail that it was told of.
    pub delivered_seq: Option<i64>,
    /// Entries of the audit trail that it may not have been told of yet.
    pub lag_entries: i64,
    /// The age of the oldest of them, in milliseconds.
    pub lag_ms: i64,
    /// Deliveries that wait, counted up to 10,000.
    pub pending: i64,
    /// Deliveries that were given up, counted up to 10,000.
    pub failed: i64,
    /// The code of the last failed attempt at what it is to be told next, or else of the newest delivery that was given up.
    pub last_error: Option<String>,
    /// When what it is to be told next is tried.
    pub next_at: Option<String>,
    /// When a process last had it in its file, to within an hour.
    pub seen_at: String,
}

/// An event for a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryView {
    /// Its id, which the receiver is told.
    pub id: String,
    /// For which webhook.
    pub webhook: String,
    /// The number of the entry of the audit trail.
    pub seq: i64,
    /// The type of the event.
    pub event: String,
    /// Whose.
    pub tenant: Option<String>,
    /// `pending`, `delivered` or `failed`.
    pub state: String,
    /// How often it was tried.
    pub attempts: i64,
    /// Since when there is it.
    pub created_at: String,
    /// When it is tried next.
    pub next_at: Option<String>,
    /// What the last attempt was answered with.
    pub http_status: Option<i64>,
    /// The code of the last attempt, if it failed.
    pub error: Option<String>,
    /// When it was delivered or given up.
    pub finished_at: Option<String>,
}

impl DeliveryView {
    /// A delivery as it is kept, for the outside.
    pub fn of(delivery: Delivery) -> Self {
        Self {
            next_at: (delivery.state == PENDING).then(|| rfc3339(delivery.next_at)),
            id: delivery.id,
            webhook: delivery.webhook,
            seq: delivery.seq,
            event: delivery.event,
            tenant: delivery.tenant,
            state: delivery.state,
            attempts: delivery.attempts,
            created_at: rfc3339(delivery.created_at),
            http_status: delivery.http_status,
            error: delivery.error,
            finished_at: delivery.finished_at.map(rfc3339),
        }
    }
}

/// All webhooks that are known, by name: those of the files of the last weeks.
///
/// # Errors
/// The catalogue's.
pub async fn list_webhooks(tx: &mut Tx) -> Result<Vec<WebhookView>, StoreError> {
    let most = i64::try_from(WEBHOOKS_MAX * 10).expect("a small number");
    let mut views = Vec::new();
    for webhook in webhooks::list(tx, most).await? {
        views.push(view(tx, webhook).await?);
    }
    Ok(views)
}

/// Deliveries, newest first.
///
/// # Errors
/// The catalogue's.
pub async fn list_deliveries(
    tx: &mut Tx,
    which: (Option<&str>, Option<&str>),
    before: Option<&str>,
    limit: i64,
) -> Result<Vec<DeliveryView>, StoreError> {
    let found = webhook_deliveries::list(tx, which, before, limit).await?;
    Ok(found.into_iter().map(DeliveryView::of).collect())
}

async fn view(tx: &mut Tx, webhook: Webhook) -> Result<WebhookView, StoreError> {
    let name = &webhook.name;
    let (head, now) = (audit_chain::head(tx).await?.seq, tx.now().await?);
    let first = webhook_deliveries::first_pending(tx, name).await?;
    let failed = webhook_deliveries::last_failed(tx, name).await?;
    let behind = first.as_ref().map_or(webhook.after_seq, |first| webhook.after_seq.min(first.seq - 1));
    let oldest = if behind < head { webhooks::entry_at(tx, behind + 1).await? } else { None };
    let last_error = first.as_ref().and_then(|first| first.error.clone());
    Ok(WebhookView {
        url: webhook.url,
        events: serde_json::from_str(&webhook.events).unwrap_or_default(),
        delivered_seq: webhook.delivered_seq,
        lag_entries: (head - behind).max(0),
        lag_ms: oldest.map_or(0, |at| (now - at).max(0)),
        pending: webhook_deliveries::count(tx, name, PENDING, COUNTED).await?,
        failed: webhook_deliveries::count(tx, name, FAILED, COUNTED).await?,
        last_error: last_error.or_else(|| failed.and_then(|failed| failed.error)),
        next_at: first.map(|first| rfc3339(first.next_at)),
        seen_at: rfc3339(webhook.seen_at),
        name: webhook.name,
    })
}
