//! The embedded regions, served by a process of their own.

use serde::{Deserialize, Serialize};
use testkit::region::dynamodb_client;
use testkit::{Ports, Region, Storage, fixtures};

use super::process::{say, until_dismissed};
use super::{Error, INDEX, INDEX_KEY, SOURCE_REGION, TABLE, TARGET_REGION, TENANT};

const SEED: u64 = 1;

/// What they hold at first: this many items of one tenant at the source.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Regions {
    pub(super) items: usize,
    pub(super) parts: u32,
}

/// Where they are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Addresses {
    pub(super) from: String,
    pub(super) to: String,
}

impl Regions {
    pub(super) async fn serve(self) -> Result<(), Error> {
        let start = |name| Region::start(name, Storage::Memory, Ports::Any).map_err(|error| Error::part(&error));
        let (from, to) = (start(SOURCE_REGION)?, start(TARGET_REGION)?);
        let client = dynamodb_client(&from);
        fixtures::create_table(&client, TABLE, INDEX, INDEX_KEY).await.map_err(|error| Error::part(&error))?;
        let (items, parts) = (self.items, self.parts);
        let filled = fixtures::import_items(&from, TABLE, INDEX_KEY, TENANT, parts, items, SEED);
        filled.map_err(|error| Error::part(&error))?;
        say(&Addresses { from: from.dynamodb_endpoint().to_owned(), to: to.dynamodb_endpoint().to_owned() })?;
        until_dismissed().await;
        Ok(())
    }
}
