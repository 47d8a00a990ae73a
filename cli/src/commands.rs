//! The commands, one file a group: each reads its options, calls the server (or starts one), and prints.

pub(crate) mod audit;
#[cfg(feature = "bench")]
pub(crate) mod bench;
pub(crate) mod campaigns;
pub(crate) mod completions;
pub(crate) mod config;
#[cfg(feature = "playground")]
pub(crate) mod demo;
#[cfg(feature = "playground")]
pub(crate) mod dev;
pub(crate) mod errors;
pub(crate) mod explain;
pub(crate) mod limits;
pub(crate) mod man;
pub(crate) mod moves;
pub(crate) mod pauses;
pub(crate) mod removals;
pub(crate) mod serve;
pub(crate) mod status;
pub(crate) mod tenants;
pub(crate) mod tokens;
pub(crate) mod topology;
pub(crate) mod upgrade_check;
pub(crate) mod version;
pub(crate) mod worker;
pub(crate) mod workers;
