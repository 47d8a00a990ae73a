//! The HTTP API over a real SQLite store, asked over real connections. No runner runs, so moves stay where a request put
//! them.

mod access;
mod approvals;
mod audit;
mod campaigns;
mod certificates;
mod connections;
mod controls;
mod fuzz;
mod harness;
mod idempotency;
mod preconditions;
mod health;
mod login;
mod move_events;
mod moves;
mod protocol;
mod removals;
mod sessions;
mod status;
mod stub_provider;
mod tenants;
mod tls;
mod tokens;
mod topology;
mod webhooks;
