//! The HTTP API: one file a resource. Handlers check what came in, call `workflows`, and show what came out.
//!
//! It decides nothing about tenants and runs no workflow: a runner in this or another process does that. Clients read the
//! types of [`api`].

pub mod api;
mod app_state;
mod approvals;
mod audit;
mod auth;
mod body;
mod budget;
mod campaigns;
mod connections;
mod controls;
mod explain;
mod health;
mod idempotency;
mod limits;
mod login;
mod move_events;
mod moves;
mod paging;
mod openapi;
mod path;
mod permissions;
mod preconditions;
mod principal;
mod problem;
mod query;
mod rate_limit;
mod refusal_budget;
mod refusals;
mod removals;
mod request_log;
mod routes;
mod scope;
mod actor;
mod server;
mod session_gate;
mod sessions;
mod settings;
mod status;
mod streams;
mod tenants;
mod tls;
mod tokens;
mod topology;
mod webhooks;

pub use login::{GroupRoles, InvalidLogin, LoginOptions, LoginSettings};
pub use server::Server;
pub use settings::{ExposureError, InvalidToken, ServerSettings, Token};
pub use tls::{BadTlsFile, Tls, TlsClients, TlsFiles, check_pair};
