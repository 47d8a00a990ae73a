//! The topology: which regions, realms, services and shards there are, and where each shard keeps a tenant's data.
//!
//! Reads the YAML file that platform engineers write, reports every mistake in it at once with its line, and judges
//! whether an edit is safe while tenants are placed. It stores nothing and calls nobody: the catalogue's SQL does that.

mod addresses;
mod canonical;
mod edit;
mod endpoint;
mod limits;
mod lines;
mod model;
mod names;
mod yaml_tree;
mod overlap;
mod problem;
mod read;
mod read_service;
mod resolve;
mod validation_context;
mod unit_limits;
mod validate;
mod validate_store;
mod webhook_file;

pub use addresses::{AddressError, EndpointKind};
pub use edit::InUse;
pub(crate) use endpoint::{dynamodb_identity, dynamodb_place, hooks_identity, s3_identity, s3_place};
pub use lines::Lines;
pub use model::{Consistency, Endpoint, Realm, Region, Replication, Service, Shard, StoreSpec, Topology};
pub(crate) use names::is_plain_name;
pub use problem::Problem;
pub use resolve::LocationError;
pub use unit_limits::{UNITS_MAX, UnitLimits};
pub use webhook_file::{WEBHOOKS_MAX, WebhookSpec};

impl Topology {
    /// Reads and validates a topology file. YAML, of which JSON is a part.
    ///
    /// # Errors
    /// Every mistake in the file, in the order of its lines.
    pub fn parse(yaml: &str) -> Result<Self, Vec<Problem>> {
        Self::parse_with_lines(yaml).map(|(topology, _)| topology)
    }

    /// Like [`Topology::parse`], and says where in the file each part stands, so that problems found later
    /// (see [`Topology::check_edit`]) can name their line too.
    ///
    /// # Errors
    /// Every mistake in the file, in the order of its lines.
    pub fn parse_with_lines(yaml: &str) -> Result<(Self, Lines), Vec<Problem>> {
        let read = read::read(yaml)?;
        let mut problems = read.problems;
        problems.extend(validate::validate(&read.topology, &read.lines));
        if problems.is_empty() {
            return Ok((read.topology, read.lines));
        }
        Err(read.lines.locate(problems))
    }

    /// The rules of [`Topology::parse`] on a topology that did not come from a file; no lines are known.
    pub fn validate(&self) -> Vec<Problem> {
        validate::validate(self, &Lines::default())
    }

    /// Why `new` must not replace `self` now: what it would strand. Empty when the edit is safe.
    /// Both are expected to be valid.
    pub fn check_edit(&self, new: &Self, in_use: &InUse) -> Vec<Problem> {
        edit::check(self, new, in_use)
    }

    /// Names this version of the topology: BLAKE3 in hex over its JSON with sorted keys. Comments, layout and the
    /// order of map entries in the file do not matter; the order of lists does.
    pub fn version_hash(&self) -> String {
        canonical::hash(self)
    }
}

#[cfg(test)]
mod tests;
