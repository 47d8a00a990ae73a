//! What is copied: the kinds of stores, and what each has to say about itself.

use serde::Serialize;
use serde::de::DeserializeOwned;
use testkit::{Region, Storage};
use workers::Verification;

use crate::Error;
use crate::job::{Copied, Job};

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
