//! Webhooks on the wire.

use serde::{Deserialize, Serialize};
use workflows::webhooks::{DeliveryView, WebhookView};

/// All webhooks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WebhooksView {
    /// By name.
    pub items: Vec<WebhookView>,
}

/// What a replay came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReplayedDelivery {
    /// `false`: it waits to be sent already.
    pub replayed: bool,
    /// The delivery.
    pub delivery: DeliveryView,
}
