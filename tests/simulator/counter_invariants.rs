//! Judges what the catalogue counts by itself: after each transaction it is what counting the rows comes to.

use std::collections::BTreeMap;

use crate::invariants::Broken;
use crate::observer::Snapshot;

/// What is counted, and of which realm, of which shard of a service, or where entries of a service are.
pub(crate) type CountKey = (&'static str, String, String);

/// The counts that are not 0.
pub(crate) const COUNTS: [(&str, &str); 3] = [
    ("realm", "SELECT realm, '', tenants FROM realm_sizes WHERE tenants <> 0"),
    ("shard", "SELECT service, shard, tenants FROM shard_sizes WHERE tenants <> 0"),
    ("site", "SELECT service, site, entries FROM site_sizes WHERE entries <> 0"),
];

/// Compares the counts with the rows.
pub(crate) fn judge(next: &Snapshot) -> Result<(), Broken> {
    let mut rows: BTreeMap<CountKey, i64> = BTreeMap::new();
    let mut count = |what, of: &str, at: &str| *rows.entry((what, of.to_owned(), at.to_owned())).or_default() += 1;
    for tenant in next.tenants.values().filter(|tenant| tenant.status != "gone") {
        count("realm", &tenant.realm, "");
    }
    for ((_, service), shard) in &next.placements {
        count("shard", service, shard);
    }
    for ((_, service, region), _) in
        next.ledger_entries.iter().filter(|(_, ledger_entry)| ledger_entry.state != "absent")
    {
        count("site", service, region);
    }
    if rows == next.counts {
        return Ok(());
    }
    Err(format!("counts: {:?} is kept, and the rows come to {rows:?}", next.counts))
}
