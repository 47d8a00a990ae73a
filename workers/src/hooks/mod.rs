//! Services with a store of their own: they add, count and remove a tenant's data themselves, and are told when by signed
//! requests. `docs/hooks.md` is the protocol as service owners read it.

mod client;
mod copy;
mod protocol;
mod remove;
mod secrets;
mod service;
mod signing;
mod verify;
mod waits;
mod webhook;

pub(crate) use client::HookClient;
pub(crate) use copy::copy;
pub use protocol::Change;
pub(crate) use remove::remove;
pub use secrets::{HookSecrets, SecretsError};
pub(crate) use service::Service;
pub(crate) use signing::delivery_id;
pub(crate) use verify::{compare, compare_replica, tally, verify};
pub use webhook::{WEBHOOK_GONE, WebhookAnswer, WebhookClient, WebhookRequest};
