//! Data movers: copy, verify and remove one tenant's data in DynamoDB tables, S3 buckets, and services that do it themselves by hooks.
//!
//! They know places, permits and checkpoints, and nothing of workflows or the catalogue. Every write takes a
//! [`permit::WritePermit`], every delete a [`permit::RemovalPermit`].

mod addresses;
mod clients;
mod difference;
mod dynamodb;
mod failure;
#[cfg(test)]
mod golden;
mod heard_time;
mod hooks;
pub mod host;
mod dropped_replica;
mod mismatch;
mod movers;
mod part;
mod bounded_retry;
mod heartbeat;
mod replicated;
mod checkpointed_pass;
mod s3;
mod copy_until_settled;
mod shorten;
mod request_timestamp;
mod store;

pub mod store_clocks;
pub mod digest;
pub mod error;
pub mod fingerprint;
pub mod fitness;
pub mod inspection;
pub mod late_writes;
pub mod limits;
pub mod unanswered;
pub mod ledger_permit;
pub mod place;
pub mod progress;
mod read_back;
pub mod settings;
pub mod tables;
pub mod verification;

pub use aws_credential_types::{Credentials, provider};

pub use self::addresses::{Addresses, StoreKind, StoreName};
pub use self::clients::CredentialsFrom;
pub use self::failure::REQUEST_TOO_OLD;
pub use self::hooks::{Change, HookSecrets, SecretsError, WEBHOOK_GONE, WebhookAnswer, WebhookClient, WebhookRequest};
pub use self::inspection::{Depth, Inspection, KeyAttribute, KeyRole, Size, Survey, TableSchema};
pub use self::mismatch::Differs;
pub use self::movers::Movers;
pub use self::part::{PartAt, PartCopy};
pub use self::s3::Cuts;
pub use self::settings::{ServerSideCopy, Settings};
pub use self::verification::{Verification, Verified};
pub use crate::dropped_replica::Leaving;
