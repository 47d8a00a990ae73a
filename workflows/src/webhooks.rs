//! Tells webhooks what happens to tenants and moves, from the sealed audit trail: at least once, and each webhook in the order of the
//! trail. Nothing of it is in the transactions of the changes.

mod deliver;
mod endpoint;
mod events;
mod replay;
mod retry;
mod view;

pub use deliver::run;
pub use endpoint::Endpoint;
pub use events::{Event, of_entry};
pub use replay::replay_delivery;
pub use view::{DeliveryView, WebhookView, list_deliveries, list_webhooks};
