//! Where it is measured: a deployment on the database, two embedded regions without data, and a topology in force.

use bench_engine::Database;
use catalogue::topology::Topology;
use store::Store;
use testkit::{Ports, Region, Storage};
use workers::{CredentialsFrom, Movers};
use workflows::Deployment;
use workflows::actor::Actor;
use workflows::timing::Timing;
use workflows::topology_change::apply_topology;

use crate::Error;

/// What everything is measured on.
pub(crate) struct Stage {
    pub(crate) store: Store,
    pub(crate) deployment: Deployment,
    pub(crate) yaml: String,
    pub(crate) topology: Topology,
    _regions: [Region; 2],
}

/// Realms with tenants, and the region that each has.
pub(crate) const REALMS: [(&str, &str); 2] = [("us", "us-east-1"), ("eu", "eu-west-1")];
/// A realm without tenants.
pub(crate) const EMPTY_REALM: &str = "global";
/// Shards of each service in each region.
pub(crate) const SHARDS: u64 = 2;

impl Stage {
    pub(crate) async fn new(database: &Database) -> Result<Self, Error> {
        let start = |name| Region::start(name, Storage::Memory, Ports::Any).map_err(|error| Error::part(&error));
        let regions = [start(REALMS[0].1)?, start(REALMS[1].1)?];
        testkit::prepare(&regions.each_ref()).await.map_err(|error| Error::part(&error))?;
        let yaml = topology(&regions);
        let parsed =
            Topology::parse(&yaml).map_err(|problems| Error::Part(format!("its own topology: {problems:?}")))?;
        let movers = Movers::new(CredentialsFrom::Fixed(testkit::region::credentials()), workers::Settings::default());
        let deployment = Deployment::new(database.store.clone(), movers, Timing::demo());
        apply_topology(&deployment, &yaml, &by()).await.map_err(|error| Error::part(&error))?;
        Ok(Self { store: database.store.clone(), deployment, yaml, topology: parsed, _regions: regions })
    }
}

/// Who asks for everything.
pub(crate) fn by() -> Actor {
    Actor::new("bench", "to measure")
}

fn topology(regions: &[Region; 2]) -> String {
    let mut yaml = "regions:\n".to_owned();
    for region in regions {
        let (name, dynamodb, s3) = (region.name(), region.dynamodb_endpoint(), region.s3_endpoint());
        yaml += &format!("  {name}: {{ dynamodb: {{ endpoint: \"{dynamodb}\" }}, s3: {{ endpoint: \"{s3}\" }} }}\n");
    }
    yaml += "realms:\n";
    for (realm, region) in REALMS {
        yaml += &format!("  {realm}: {{ dataRegions: [{region}] }}\n");
    }
    yaml += &format!("  {EMPTY_REALM}: {{ dataRegions: [{}, {}] }}\n", REALMS[0].1, REALMS[1].1);
    yaml += "services:\n";
    for (service, store) in SERVICES {
        yaml += &format!("  {service}:\n    store: {store}\n    shards:\n");
        for (_, region) in REALMS {
            for number in 1..=SHARDS {
                yaml += &format!("      - {{ shard: {}, dataRegions: [{region}] }}\n", shard(region, number));
            }
        }
    }
    yaml
}

/// What a shard is called.
pub(crate) fn shard(region: &str, number: u64) -> String {
    format!("{region}-{number}")
}

/// Services and their stores.
pub(crate) const SERVICES: [(&str, &str); 3] = [
    ("activity-service", "{ dynamodb: { table: activity, index: by-tenant, indexKey: tenant_shard, shardCount: 4 } }"),
    ("issue-service", "{ dynamodb: { table: issues, index: by-tenant, indexKey: tenant_shard, shardCount: 10 } }"),
    ("media-service", "{ s3: { bucket: \"media-{region}\", prefix: \"{tenant}/\" } }"),
];
