//! What is copied: the kinds of stores, and what each has to say about itself.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use testkit::{Ports, Region, Storage};
use workers::Verification;

use crate::job::{Copied, Job};
use crate::process::{say, until_dismissed};
use crate::{Error, SOURCE_REGION, TARGET_REGION};

/// Where the regions are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Addresses {
    pub(crate) from: String,
    pub(crate) to: String,
}

/// What the source holds at first, in one kind of store.
pub(crate) trait Stores: Serialize + DeserializeOwned {
    /// Where the region with this name keeps it.
    fn storage(&self, region: &str) -> Storage;

    /// Fills the source.
    async fn fill(&self, source: &Region) -> Result<(), Error>;

    /// Where the region takes requests to this kind of store.
    fn endpoint(region: &Region) -> &str;

    /// Copies everything by the SDK alone, with so many requests in flight.
    async fn by_sdk(job: &Job, in_flight: usize) -> Result<Copied, Error>;

    /// Copies everything by the movers, and verifies it.
    async fn by_movers(job: &Job, verification: Verification, prefixed: bool) -> Result<Copied, Error>;
}

/// Serves both regions until nobody wants them any more.
pub(crate) async fn serve<S: Stores>(stores: &S) -> Result<(), Error> {
    let start = |name| Region::start(name, stores.storage(name), Ports::Any).map_err(|error| Error::part(&error));
    let (from, to) = (start(SOURCE_REGION)?, start(TARGET_REGION)?);
    stores.fill(&from).await?;
    say(&Addresses { from: S::endpoint(&from).to_owned(), to: S::endpoint(&to).to_owned() })?;
    until_dismissed().await;
    Ok(())
}
