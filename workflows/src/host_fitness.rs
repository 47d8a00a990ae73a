//! Whether this process can do the data work of the topology in force: the engine asks, and stands aside while something is lacking.

use std::sync::Mutex;

use async_trait::async_trait;
use catalogue::topologies;
use catalogue::topology::{Endpoint, Region, StoreSpec, Topology};
use engine::{Fitness, StepError};
use store::StoreError;
use tracing::debug;
use workers::fitness::{Needs, is_own_failure};

use crate::deployment::Deployment;

/// Looks at the host for what the topology asks of it.
pub(crate) struct HostFitness {
    deployment: Deployment,
    /// Of the version of the topology that was read last.
    known: Mutex<(Option<i64>, Needs)>,
}

impl HostFitness {
    pub(crate) fn new(deployment: Deployment) -> Self {
        Self { deployment, known: Mutex::default() }
    }

    /// What the topology in force asks for; read only when there is another.
    async fn needs(&self) -> Result<Needs, StoreError> {
        let mut tx = self.deployment.store.read().await?;
        let version = topologies::version(&mut tx).await?;
        let (known, needs) = self.known();
        if version == known {
            tx.rollback().await?;
            return Ok(needs);
        }
        let current = topologies::current(&mut tx).await?;
        tx.rollback().await?;
        let known = current.map(|stored| (Some(stored.version), needs_of(&stored.topology))).unwrap_or_default();
        self.known.lock().expect("no holder of this lock panics").clone_from(&known);
        Ok(known.1)
    }

    fn known(&self) -> (Option<i64>, Needs) {
        self.known.lock().expect("no holder of this lock panics").clone()
    }
}

#[async_trait]
impl Fitness for HostFitness {
    async fn look(&self, met: Option<&StepError>) -> Option<String> {
        let needs = self.needs().await.unwrap_or_else(|error| {
            debug!(error = error.chain(), "the topology can't be read; the host is looked at for what was known of it");
            self.known().1
        });
        self.deployment.movers.lacks(&needs, met.map(|met| met.code.as_str())).await
    }

    fn is_own(&self, failure: &StepError) -> bool {
        is_own_failure(&failure.code)
    }
}

fn needs_of(topology: &Topology) -> Needs {
    let is_tls = |address: &str| address.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"));
    // AWS's own addresses are https.
    let at = |endpoint: Option<&Endpoint>| endpoint.is_none_or(|at| is_tls(at.reached_at()));
    let mut needs = Needs::default();
    for service in topology.services.values() {
        for shard in &service.shards {
            let store = shard.store_of(service);
            if let StoreSpec::Hooks { url, .. } = store {
                needs.authorities |= is_tls(url);
                continue;
            }
            for name in &shard.data_regions {
                let Some(Region { dynamodb, s3 }) = topology.regions.get(name) else { continue };
                let endpoint = if matches!(store, StoreSpec::S3 { .. }) { s3 } else { dynamodb };
                needs.authorities |= at(endpoint.as_ref());
                needs.credentials.get_or_insert_with(|| name.clone());
            }
        }
    }
    needs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(dynamodb: &str, store: &str) -> (bool, Option<String>) {
        let yaml = format!(
            "regions: {{ eu-west-1: {{ {dynamodb} }} }}
realms: {{ eu: {{ dataRegions: [eu-west-1] }} }}
services:
  issues:
    store: {{ {store} }}
    shards: [{{ shard: one, dataRegions: [eu-west-1] }}]
"
        );
        let needs = needs_of(&Topology::parse(&yaml).expect("a topology"));
        (needs.authorities, needs.credentials)
    }

    #[test]
    fn the_topology_tells_what_a_process_needs() {
        let table = "dynamodb: { table: issues, index: by-tenant, indexKey: tenant_shard, shardCount: 1 }";
        let bucket = "s3: { bucket: media, prefix: \"{tenant}/\" }";
        let plain = "dynamodb: { endpoint: \"http://127.0.0.1:9\" }";
        let region = Some("eu-west-1".to_owned());
        assert_eq!(needs("", table), (true, region.clone()), "AWS's own");
        assert_eq!(needs("dynamodb: { endpoint: \"https://tables.example\" }", table), (true, region.clone()));
        assert_eq!(needs(plain, table), (false, region.clone()));
        assert_eq!(needs(plain, bucket), (true, region), "S3 there is AWS's own");
        assert_eq!(needs(plain, "hooks: { url: \"https://editor.example\" }"), (true, None));
        assert_eq!(needs("", "hooks: { url: \"http://127.0.0.1:9\" }"), (false, None));
    }
}
