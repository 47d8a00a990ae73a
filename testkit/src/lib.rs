//! What the tests, `realmctl demo` and `realmctl dev` stand on: embedded regions (DynamoDB and S3 over real HTTP on
//! loopback), fixtures that fill them, fronts that throttle them and make them fail, observers that read them back with the plain SDK, a second
//! implementation of both stores, a temporary Postgres, and a proxy that cuts connections.
//!
//! Nothing here knows how realmctl works: no crate of ours is a dependency, so that a test can't share a mistake with
//! the code it judges.

mod credentials;
pub mod error;
pub mod fixtures;
pub mod fault_proxies;
pub mod hook_service;
pub mod observe;
pub mod postgres;
pub mod proxy;
pub mod region;
pub mod replication;
pub mod s3;
#[cfg(feature = "simulator")]
pub mod simulator;
pub mod stores;
mod topology;
pub mod webhook_receiver;

pub use error::Error;
pub use hook_service::HookService;
pub use region::{Ports, Region, RequestAge, Storage};
pub use topology::{prepare, topology};
