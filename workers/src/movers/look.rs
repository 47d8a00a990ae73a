//! What is looked at before any work begins: whether a place can be worked with, where it replicates to, and how much there is.

use super::Movers;
use crate::dynamodb::{self, Described};
use crate::error::WorkError;
use crate::hooks::delivery_id;
use crate::inspection::{Depth, Inspection, Survey};
use crate::part::PartAt;
use crate::place::Place;
use crate::s3::{self, Cuts};
use crate::store::Store;

impl Movers {
    /// Whether the place can be reached and has the right shape, where it replicates to, and whether it is empty for the
    /// tenant.
    ///
    /// # Errors
    /// `table_not_found`, `shard_count_too_small`, `index_not_found`, `index_not_active`, `index_key_mismatch`, `bucket_not_found`,
    /// `place_invalid`, or why the store could not be asked.
    pub async fn inspect(&self, place: &Place, tenant: &str) -> Result<Inspection, WorkError> {
        if let Some(service) = self.service(place, tenant)? {
            return service.inspect().await;
        }
        match self.open(PartAt::new(place, tenant, 0), Described::Now).await? {
            Store::Table(table, _) => dynamodb::inspect(&table, tenant, place.parts()).await,
            Store::Bucket(bucket) => s3::inspect(&bucket).await,
        }
    }

    /// Whether two addresses lead to one and the same place. Not for places that replicate into each other by themselves.
    ///
    /// # Errors
    /// Why a store could not be asked.
    pub async fn is_one_place(&self, one: &Place, other: &Place, tenant: &str) -> Result<bool, WorkError> {
        let open = |place| self.open(PartAt::new(place, tenant, 0), Described::Now);
        match (one, other) {
            (Place::Dynamodb { .. }, Place::Dynamodb { .. }) | (Place::S3 { .. }, Place::S3 { .. }) => {
                match (open(one).await?, open(other).await?) {
                    (Store::Table(one, _), Store::Table(other, _)) => Ok(one.is(&other)),
                    (Store::Bucket(one), Store::Bucket(other)) => s3::is_same(&one, &other, &delivery_id()).await,
                    _ => Ok(false),
                }
            }
            _ => Ok(false),
        }
    }

    /// How much there is of the tenant in the whole place, for estimates, and where the objects of a bucket can be divided.
    ///
    /// # Errors
    /// What went wrong with a store.
    pub async fn survey(&self, place: &Place, tenant: &str, depth: Depth) -> Result<Survey, WorkError> {
        let of_size = |size| Survey { size, cuts: Cuts::default() };
        if let Some(service) = self.service(place, tenant)? {
            return service.measure().await.map(of_size);
        }
        match self.open(PartAt::new(place, tenant, 0), Described::Now).await? {
            Store::Table(table, _) => dynamodb::measure(&table, tenant, place.parts(), depth).await.map(of_size),
            Store::Bucket(bucket) => s3::measure(&bucket).await,
        }
    }

    /// Where the store itself replicates the place to, right now: regions of a global table, or destination buckets.
    ///
    /// # Errors
    /// What went wrong with a store.
    pub async fn replicates_to(&self, place: &Place, tenant: &str) -> Result<Vec<String>, WorkError> {
        if self.service(place, tenant)?.is_some() {
            return Ok(Vec::new());
        }
        self.open(PartAt::new(place, tenant, 0), Described::Now).await?.replicates_to().await
    }
}
