//! The stage on which the acceptance tests play: two embedded regions, a catalogue in SQLite or Postgres, a tenant with a
//! neighbour, runners that a test can strike at any point, and child processes that kill themselves there.

pub mod child;
pub mod clocked;
pub mod counts;
pub mod kinds;
pub mod revocable_credentials;
pub mod harness;
pub mod failpoint_actions;
pub mod timing;
pub mod world;

pub use clocked::Clocked;
pub use revocable_credentials::RevocableCredentials;
pub use world::{Database, World};
