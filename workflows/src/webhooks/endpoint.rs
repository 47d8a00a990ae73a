//! One webhook in one process: claims it, makes deliveries of what the audit trail says since, and sends them one by one. Its own failures
//! and waits are nobody else's.

use std::time::Duration;

use catalogue::audit_chain::{self, Sealed};
use catalogue::topology::WebhookSpec;
use catalogue::webhook_deliveries::{self, DELIVERED, Delivery, PENDING};
use catalogue::webhooks;
use store::{Millis, StoreError};
use tokio::time::Instant;
use tracing::warn;
use workers::{WebhookClient, WebhookRequest};

use super::events::of_entry;
use super::retry::judge;
use crate::deployment::Deployment;
use crate::timing::millis;

/// Entries of the audit trail read at a time.
const ENTRIES: i64 = 200;

/// Deliveries that may wait; the rest waits in the audit trail.
const WAITING_MAX: i64 = 1_000;

/// Deliveries sent before others may have the webhook.
const SENT_A_PASS: usize = 100;

/// How often is noted that this process has it in its file.
const SEEN_EVERY: Duration = Duration::from_secs(3_600);

/// One webhook in one process.
pub struct Endpoint {
    deployment: Deployment,
    spec: WebhookSpec,
    client: WebhookClient,
    seen: Option<Instant>,
}

impl Endpoint {
    /// The one that this part of the file describes.
    pub fn new(deployment: Deployment, spec: WebhookSpec) -> Self {
        let client = WebhookClient::new(deployment.webhooks.secrets.clone());
        Self { deployment, spec, client, seen: None }
    }

    /// How often is looked for something to tell.
    pub(super) fn look_every(&self) -> Duration {
        self.deployment.webhooks.pace.look_every
    }

    /// Notes that it is there; a new one begins at the end of the audit trail.
    ///
    /// # Errors
    /// The catalogue's.
    pub async fn register(&mut self) -> Result<(), StoreError> {
        if self.seen.is_some_and(|seen| seen.elapsed() < SEEN_EVERY) {
            return Ok(());
        }
        let events = serde_json::Value::from(self.spec.events.clone()).to_string();
        let mut tx = self.deployment.store.begin().await?;
        webhooks::see(&mut tx, &self.spec.name, &self.spec.url, &events).await?;
        tx.commit().await?;
        self.seen = Some(Instant::now());
        Ok(())
    }

    /// Does what is due, bounded: `true` if there may be more at once.
    ///
    /// # Errors
    /// The catalogue's: it goes on later, from where it was.
    pub async fn pass(&mut self, go_on: impl Fn() -> bool) -> Result<bool, StoreError> {
        self.register().await?;
        if !self.is_due().await? {
            return Ok(false);
        }
        let pace = self.deployment.webhooks.pace;
        let (name, lease) = (self.spec.name.clone(), millis(pace.lease));
        let mut tx = self.deployment.store.begin().await?;
        let Some(claim) = webhooks::claim(&mut tx, &name, &self.deployment.owner, lease).await? else {
            tx.rollback().await?;
            return Ok(false);
        };
        tx.commit().await?;
        let Some(made) = self.make(claim.fence, claim.after_seq).await? else { return Ok(false) };
        let (mut claimed, mut sent) = (Instant::now(), 0);
        while sent < SENT_A_PASS && go_on() {
            if claimed.elapsed() >= pace.lease / 3 {
                let mut tx = self.deployment.store.begin().await?;
                if !webhooks::renew(&mut tx, &name, claim.fence, lease).await? {
                    return Ok(false);
                }
                tx.commit().await?;
                claimed = Instant::now();
            }
            let Some(delivery) = self.next().await? else { break };
            if !self.send(claim.fence, &delivery).await? {
                break;
            }
            sent += 1;
        }
        let mut tx = self.deployment.store.begin().await?;
        webhooks::release(&mut tx, &name, claim.fence).await?;
        tx.commit().await?;
        Ok(made || sent == SENT_A_PASS)
    }

    /// Whether there is something to make or to send. Locks nothing, and writes nothing.
    async fn is_due(&self) -> Result<bool, StoreError> {
        let mut tx = self.deployment.store.read().await?;
        let name = &self.spec.name;
        let Some(webhook) = webhooks::get(&mut tx, name).await? else {
            tx.rollback().await?;
            return Ok(false);
        };
        let (head, now) = (audit_chain::head(&mut tx).await?, tx.now().await?);
        let first = webhook_deliveries::first_pending(&mut tx, name).await?;
        let full = webhook_deliveries::count(&mut tx, name, PENDING, WAITING_MAX).await? >= WAITING_MAX;
        tx.rollback().await?;
        let others = webhook.holder.as_ref().is_some_and(|holder| *holder != self.deployment.owner);
        if others && webhook.lease_until.is_some_and(|until| until > now && until <= now + self.longest_lease()) {
            return Ok(false);
        }
        let sends = first.is_some_and(|first| first.next_at <= now);
        Ok(sends || (head.seq > webhook.after_seq && !full))
    }

    /// One that lasts longer is from before the database's clock was set back.
    fn longest_lease(&self) -> Millis {
        millis(self.deployment.webhooks.pace.lease) * 2
    }

    /// Makes deliveries of a batch of entries: `true` if there may be more, `None` if somebody else has the webhook.
    async fn make(&self, fence: i64, after: i64) -> Result<Option<bool>, StoreError> {
        let name = &self.spec.name;
        let mut tx = self.deployment.store.begin().await?;
        let waiting = webhook_deliveries::count(&mut tx, name, PENDING, WAITING_MAX).await?;
        if waiting >= WAITING_MAX {
            tx.rollback().await?;
            return Ok(Some(false));
        }
        let sealed = audit_chain::list(&mut tx, after, ENTRIES).await?;
        let Some(last) = sealed.last().map(|last| last.seq) else {
            tx.rollback().await?;
            return Ok(Some(false));
        };
        // Before the rows, so that of two processes the one that lost it writes nothing.
        if !webhooks::made_up_to(&mut tx, name, fence, last).await? {
            tx.rollback().await?;
            return Ok(None);
        }
        let now = tx.now().await?;
        let new: Vec<Delivery> = sealed.iter().flat_map(|sealed| self.deliveries(sealed, now)).collect();
        webhook_deliveries::insert(&mut tx, &new).await?;
        tx.commit().await?;
        Ok(Some(i64::try_from(sealed.len()).is_ok_and(|read| read == ENTRIES)))
    }

    fn deliveries(&self, sealed: &Sealed, now: Millis) -> Vec<Delivery> {
        let wanted = &self.spec.events;
        let events = of_entry(sealed.seq, &sealed.entry).into_iter().zip(0..);
        let events = events.filter(|(event, _)| wanted.is_empty() || wanted.iter().any(|wanted| wanted == event.event));
        let give_up_at = now + millis(self.deployment.webhooks.pace.give_up_after);
        let delivery = |(mut event, part): (super::Event, i64)| {
            event.id = self.deployment.ids.next();
            Delivery {
                id: event.id.clone(),
                webhook: self.spec.name.clone(),
                seq: sealed.seq,
                part,
                event: event.event.to_owned(),
                tenant: event.tenant.clone(),
                body: serde_json::to_string(&event).expect("plain data with text keys"),
                state: PENDING.to_owned(),
                attempts: 0,
                created_at: now,
                next_at: now,
                give_up_at,
                http_status: None,
                error: None,
                finished_at: None,
            }
        };
        events.map(delivery).collect()
    }

    /// The one that all others wait for, if it is due.
    async fn next(&self) -> Result<Option<Delivery>, StoreError> {
        let mut tx = self.deployment.store.read().await?;
        let first = webhook_deliveries::first_pending(&mut tx, &self.spec.name).await?;
        let now = tx.now().await?;
        tx.rollback().await?;
        Ok(first.filter(|first| first.next_at <= now))
    }

    /// Sends one, with no transaction open: `true` if the next one may follow.
    async fn send(&self, fence: i64, delivery: &Delivery) -> Result<bool, StoreError> {
        let WebhookSpec { name, url, secret, .. } = &self.spec;
        let Delivery { id, event, body, seq, .. } = delivery;
        let request = WebhookRequest { url, secret: secret.as_deref(), id, event, seq: *seq, body };
        let answer = self.client.send(request).await;
        let mut tx = self.deployment.store.begin().await?;
        let attempt = judge(&self.deployment.webhooks.pace, delivery, &answer, tx.now().await?);
        let held = if attempt.state == DELIVERED {
            webhooks::told(&mut tx, name, fence, *seq).await?
        } else {
            webhooks::is_held(&mut tx, name, fence).await?
        };
        if !held {
            // Whoever has it sends it again, with the same id.
            tx.rollback().await?;
            return Ok(false);
        }
        webhook_deliveries::record(&mut tx, id, &attempt).await?;
        tx.commit().await?;
        if let Some(code) = &attempt.error {
            let (attempts, status) = (delivery.attempts + 1, answer.status.unwrap_or_default());
            warn!(
                webhook = name,
                delivery = id,
                event,
                code,
                status,
                attempts,
                state = attempt.state,
                "a webhook was not told"
            );
        }
        Ok(attempt.state != PENDING)
    }
}
