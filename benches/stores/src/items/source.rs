//! The items, and how they are copied.

use serde::{Deserialize, Serialize};
use testkit::region::dynamodb_client;
use testkit::{Region, Storage, fixtures};
use workers::Verification;

use super::{INDEX, INDEX_KEY, TABLE, bare, mover};
use crate::job::{Copied, Job};
use crate::stores::Stores;
use crate::{Error, TENANT};

const SEED: u64 = 1;

/// So many items of one tenant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Items {
    pub(super) items: usize,
    pub(super) parts: u32,
}

impl Stores for Items {
    fn storage(&self, _: &str) -> Storage {
        Storage::Memory
    }

    async fn fill(&self, source: &Region) -> Result<(), Error> {
        let client = dynamodb_client(source);
        fixtures::create_table(&client, TABLE, INDEX, INDEX_KEY).await.map_err(|error| Error::part(&error))?;
        fixtures::import_items(source, TABLE, INDEX_KEY, TENANT, self.parts, self.items, SEED)
            .map_err(|error| Error::part(&error))
    }

    fn endpoint(region: &Region) -> &str {
        region.dynamodb_endpoint()
    }

    async fn by_sdk(job: &Job, in_flight: usize) -> Result<Copied, Error> {
        bare::copy(job, in_flight).await
    }

    async fn by_movers(job: &Job, verification: Verification, prefixed: bool) -> Result<Copied, Error> {
        mover::copy(job, verification, prefixed).await
    }
}
