//! What is looked at before any work begins: whether a place can be worked with, where it replicates to, and how much there is.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Movers;
use crate::addresses::{Addresses, StoreName};
use crate::dynamodb::{self, Described};
use crate::error::WorkError;
use crate::hooks::delivery_id;
use crate::inspection::{Depth, Inspection, Survey};
use crate::part::PartAt;
use crate::place::Place;
use crate::s3::{self, Cuts};
use crate::store::Store;
use crate::tables::Tables;

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

    /// Whether two places are one and the same. Not for places that replicate into each other by themselves.
    ///
    /// # Errors
    /// Why a store could not be asked.
    pub async fn is_one_place(&self, one: &Place, other: &Place, tenant: &str) -> Result<bool, WorkError> {
        let open = |place| self.open(PartAt::new(place, tenant, 0), Described::Now);
        match (one, other) {
            (Place::Dynamodb { .. }, Place::Dynamodb { .. }) | (Place::S3 { .. }, Place::S3 { .. }) => {
                are_one(open(one).await?, open(other).await?).await
            }
            _ => Ok(false),
        }
    }

    /// Whether the place, as it is reached now, is what is reached where `addresses` would lead.
    ///
    /// # Errors
    /// `place_invalid` where there are no addresses; `table_id_missing`; or why a store could not be asked, by the one or the other.
    pub async fn is_also_reached(
        &self,
        place: &Place,
        (addresses, name): (BTreeMap<String, String>, StoreName),
        tenant: &str,
    ) -> Result<bool, WorkError> {
        let Some(clients) = &self.0.buckets else {
            return Err(WorkError::permanent("place_invalid", "these stores have no addresses"));
        };
        let there = Addresses::default();
        there.set(addresses, name);
        let clients = Arc::new(clients.with_addresses(&self.0.settings, there));
        let tables = Arc::clone(&clients) as Arc<dyn Tables>;
        let there =
            Self::over(tables, Some(clients), (Arc::default(), Arc::clone(&self.0.time)), self.0.settings.clone());
        let at = || PartAt::new(place, tenant, 0);
        let (one, other) = (self.open(at(), Described::Now).await?, there.open(at(), Described::Now).await?);
        if let (Store::Table(one, _), Store::Table(other, _)) = (&one, &other)
            && one.id.is_some() != other.id.is_some()
        {
            let message = "only one of the two says which table it is (TableId), and removals go by that: something on the way changes answers";
            return Err(WorkError::permanent("table_id_missing", message));
        }
        are_one(one, other).await
    }

    /// Which table the place is, if it is one and its store says that.
    ///
    /// # Errors
    /// Why the store could not be asked.
    pub async fn table_id(&self, place: &Place, tenant: &str) -> Result<Option<String>, WorkError> {
        if !matches!(place, Place::Dynamodb { .. }) {
            return Ok(None);
        }
        match self.open(PartAt::new(place, tenant, 0), Described::Now).await? {
            Store::Table(table, _) => Ok(table.id),
            Store::Bucket(_) => Ok(None),
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
            Store::Bucket(bucket) => match depth {
                Depth::Listed => s3::measure_and_look(&bucket).await,
                Depth::Sampled => s3::measure(&bucket).await,
            },
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

async fn are_one(one: Store, other: Store) -> Result<bool, WorkError> {
    match (one, other) {
        (Store::Table(one, _), Store::Table(other, _)) => dynamodb::is_same(&one, &other, &delivery_id()).await,
        (Store::Bucket(one), Store::Bucket(other)) => s3::is_same(&one, &other, &delivery_id()).await,
        _ => Ok(false),
    }
}
