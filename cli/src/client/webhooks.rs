//! Calls about webhooks.

use server::api::{Change, DeliveryView, Page, ReplayedDelivery, WebhooksView};

use super::{Client, Query};
use crate::exit::Failure;

impl Client {
    pub(crate) async fn webhooks(&self) -> Result<WebhooksView, Failure> {
        self.get(&["webhooks"], &[]).await
    }

    pub(crate) async fn deliveries(&self, query: Query<'_>) -> Result<Page<DeliveryView>, Failure> {
        self.get(&["webhooks", "deliveries"], query).await
    }

    pub(crate) async fn replay_delivery(&self, id: &str, change: &Change) -> Result<ReplayedDelivery, Failure> {
        self.post(&["webhooks", "deliveries", id, "replay"], change).await
    }
}
