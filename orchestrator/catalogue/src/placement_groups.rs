//! What many tenants have in common: on which shards they are placed and where they live, in the same words for all that differ in nothing
//! but their ids. A plan does the same for all tenants of one shape.

use std::collections::BTreeMap;

use store::{Rows, StoreError, Tx, sql};

/// Between two placements, or two places: in no name and in no key.
const NEXT: &str = "\u{1}";
/// Stands for the tenant's id.
const TENANT: &str = "{tenant}";

/// The shapes of these tenants, by their ids.
pub async fn of_tenants(tx: &mut Tx, tenants: &[String]) -> Result<BTreeMap<String, String>, StoreError> {
    let ids = Rows::default().texts("id", tenants.iter().cloned());
    let rows = sql("SELECT given.id AS tenant, \
         (SELECT string_agg(service || ' ' || shard, $1 ORDER BY service) FROM placements WHERE tenant = given.id) AS shards, \
         (SELECT string_agg(service || ' ' || location, $1 ORDER BY service, position, location) FROM ledger \
         WHERE tenant = given.id AND state = 'live') AS places FROM {rows}");
    let mut shapes = BTreeMap::new();
    for row in rows.bind(NEXT).rows(ids).fetch_all(tx).await? {
        let tenant = row.text("tenant")?;
        let (shards, places) =
            (row.opt_text("shards")?.unwrap_or_default(), row.opt_text("places")?.unwrap_or_default());
        let places: Vec<String> = places.split(NEXT).map(|place| for_any_tenant(place, &tenant)).collect();
        shapes.insert(tenant, format!("{shards}{NEXT}{NEXT}{}", places.join(NEXT)));
    }
    Ok(shapes)
}

/// A key of S3 without the id of the tenant, if that is one segment of it and no other segment is the same: otherwise it can't be told
/// which of them stands for the tenant, and the tenant has a shape of its own.
fn for_any_tenant(place: &str, tenant: &str) -> String {
    let separators = ['|', '/'];
    let in_bucket = place.split_once(' ').is_some_and(|(_, key)| key.starts_with("s3|"));
    if !in_bucket || place.split(separators).filter(|segment| *segment == tenant).count() != 1 {
        return place.to_owned();
    }
    let segments = place.split_inclusive(separators).map(|segment| {
        let name = segment.trim_end_matches(separators);
        if name == tenant { segment.replace(tenant, TENANT) } else { segment.to_owned() }
    });
    segments.collect()
}

#[cfg(test)]
mod tests {
    use crate::placement_groups::*;

    #[test]
    fn tenants_that_differ_in_nothing_but_their_ids_have_one_shape() {
        let shape = |key: &str| for_any_tenant(key, "acme");
        assert_eq!(shape("media s3|aws|media|acme/"), "media s3|aws|media|{tenant}/");
        assert_eq!(shape("media s3|aws|media|a/acme/acme-2/"), "media s3|aws|media|a/{tenant}/acme-2/");
        for own in ["media s3|aws|acme|acme/", "media s3|aws|media|acme/acme/", "issues dynamodb|aws:eu-west-1|acme"] {
            assert_eq!(shape(own), own);
        }
    }
}
