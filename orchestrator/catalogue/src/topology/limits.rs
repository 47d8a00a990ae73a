//! What the file says about limits on units a second: their form, their rule, and the tables that they are about.

use super::model::{StoreSpec, Topology};
use super::read::{Fields, Reader};
use super::unit_limits::{UNITS_MAX, UnitLimits};
use crate::location::{Address, Location};
use crate::topology::validation_context::Rules;

impl UnitLimits {
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
