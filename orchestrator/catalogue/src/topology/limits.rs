//! What the file says about limits on units a second: their form, their rule, and the tables that they are about.

use serde::{Deserialize, Serialize};

use super::model::{StoreSpec, Topology};
use super::read::{Fields, Reader};
use super::validate::Rules;
use crate::location::{Address, Location};

/// The most that a limit can be, in units a second.
pub const UNITS_MAX: u32 = 10_000_000;

/// Capacity units a second; `None` is not limited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UnitLimits {
    /// Write units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_units: Option<u32>,
    /// Read units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_units: Option<u32>,
}

impl UnitLimits {
    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn check(&self, rules: &mut Rules<'_>, path: &str) {
        for (name, units) in [("writeUnits", self.write_units), ("readUnits", self.read_units)] {
            if units.is_some_and(|units| !(1..=UNITS_MAX).contains(&units)) {
                rules.report(format!("{path}.{name}"), format!("must be 1 to {UNITS_MAX} units a second"));
            }
        }
    }
}

impl Reader {
    /// The field `limits` of a map.
    pub(super) fn limits(&mut self, fields: &mut Fields<'_>) -> UnitLimits {
        let (path, Some(node)) = (fields.path("limits"), fields.take("limits")) else { return UnitLimits::default() };
        let mut fields = self.fields(node, &path, &["writeUnits", "readUnits"]);
        let mut units = |name| fields.take(name).map(|node| self.count(node, &fields.path(name)));
        UnitLimits { write_units: units("writeUnits"), read_units: units("readUnits") }
    }
}

impl Topology {
    /// Every table with what its shards' stores say about it.
    pub fn limits_of_tables(&self) -> Vec<(Location, UnitLimits)> {
        let mut found = Vec::new();
        for (name, service) in &self.services {
            for (position, site) in self.sites(name) {
                let store = service.shards[position].store_of(service);
                if let (StoreSpec::Dynamodb { limits, .. }, Address::Dynamodb { .. }) = (store, &site.address) {
                    found.push((site, *limits));
                }
            }
        }
        found
    }
}
