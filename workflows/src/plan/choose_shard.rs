//! The choice of a shard, the same for moves and for new tenants.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use catalogue::topology::{Shard, Topology};

/// Tenants on each (service, shard).
pub type Load = BTreeMap<(String, String), u64>;

/// The shard of `service` for a tenant of `realm`: one that fits the realm; of these the widest (most regions); then
/// the `current` one; then the one with the fewest tenants; then the first by name. `None` when none fits.
pub fn choose_shard<'t>(
    topology: &'t Topology,
    service: &str,
    realm: &str,
    current: Option<&str>,
    load: &Load,
) -> Option<&'t Shard> {
    let realm = topology.realms.get(realm)?;
    let fitting = topology.services.get(service)?.shards.iter().filter(|shard| shard.fits(realm));
    fitting.min_by_key(|shard| {
        let is_current = current == Some(shard.shard.as_str());
        let tenants = load.get(&(service.to_owned(), shard.shard.clone())).copied().unwrap_or(0);
        (Reverse(shard.data_regions.len()), !is_current, tenants, shard.shard.as_str())
    })
}
