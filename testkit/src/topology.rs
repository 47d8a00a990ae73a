//! The topology the tests and the demo run under, as YAML, and the tables and buckets it names.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::region::{Region, dynamodb_client, s3_client};
use crate::{Error, fixtures};

/// Where realm `eu` is offered by default.
const EU_EXTRAS: &str = ", countries: [DE, FR, IE], timezones: [\"Europe/*\"]";

/// A topology file over these regions. Realms are named after the regions' first part (`us`, `eu`), and `global`
/// spans them all. Three services: issues (DynamoDB, ten index shards) and media (S3) in one region each, activity
/// (DynamoDB, four index shards, replicated by the application) also across all.
#[must_use]
pub fn topology(regions: &[&Region]) -> String {
    let names: Vec<&str> = regions.iter().map(|region| region.name()).collect();
    let mut yaml = String::from("regions:\n");
    for region in regions {
        let (dynamodb, s3) = (region.dynamodb_endpoint(), region.s3_endpoint());
        line(
            &mut yaml,
            &format!(
                "  {}: {{ dynamodb: {{ endpoint: \"{dynamodb}\" }}, s3: {{ endpoint: \"{s3}\" }} }}",
                region.name()
            ),
        );
    }
    yaml.push_str("realms:\n");
    let mut realms: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for name in &names {
        realms.entry(name.split('-').next().unwrap_or(name)).or_default().push(name);
    }
    for (realm, members) in &realms {
        let extras = if *realm == "eu" { EU_EXTRAS } else { "" };
        line(&mut yaml, &format!("  {realm}: {{ dataRegions: [{}]{extras} }}", members.join(", ")));
    }
    line(&mut yaml, &format!("  global: {{ dataRegions: [{}] }}", names.join(", ")));
    yaml.push_str("services:\n");
    yaml.push_str("  issue-service:\n    store: { dynamodb: { table: issues, index: by-tenant, indexKey: tenant_shard, shardCount: 10 } }\n");
    shards(&mut yaml, "issues", &names);
    yaml.push_str("  media-service:\n    store: { s3: { bucket: \"media-{region}\", prefix: \"{tenant}/\" } }\n");
    shards(&mut yaml, "media", &names);
    yaml.push_str("  activity-service:\n    replication: application\n    consistency: sync\n");
    yaml.push_str(
        "    store: { dynamodb: { table: activity, index: by-tenant, indexKey: tenant_shard, shardCount: 4 } }\n",
    );
    shards(&mut yaml, "activity", &names);
    line(&mut yaml, &format!("      - {{ shard: activity-global, dataRegions: [{}] }}", names.join(", ")));
    yaml
}

/// Makes the tables and buckets of [`topology`] in each region.
///
/// # Errors
/// The services'.
pub async fn prepare(regions: &[&Region]) -> Result<(), Error> {
    for region in regions {
        let dynamodb = dynamodb_client(region);
        for table in ["issues", "activity"] {
            fixtures::create_table(&dynamodb, table, "by-tenant", "tenant_shard").await?;
        }
        fixtures::create_bucket(&s3_client(region), &format!("media-{}", region.name())).await?;
    }
    Ok(())
}

fn shards(yaml: &mut String, service: &str, regions: &[&str]) {
    yaml.push_str("    shards:\n");
    for region in regions {
        let url = format!("https://{service}.{region}.example");
        line(yaml, &format!("      - {{ shard: {service}-{region}, dataRegions: [{region}], url: \"{url}\" }}"));
    }
}

fn line(yaml: &mut String, text: &str) {
    writeln!(yaml, "{text}").expect("a String takes everything");
}
