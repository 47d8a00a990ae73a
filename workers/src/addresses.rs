//! Where stores are reached that are not reached by their own endpoints any more. What a store is called never changes, and so neither do
//! the places in the ledger, in plans and in work under way; only its connections go elsewhere.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

/// A kind of store with endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// Tables.
    Dynamodb,
    /// Buckets.
    S3,
}

/// What the store behind an endpoint of a region is called, however the endpoint is written; `None` is AWS's own.
pub type StoreName = fn(StoreKind, &str, Option<&str>) -> String;

/// Addresses of stores by their names. Without any, each is reached by its endpoint.
#[derive(Debug, Default)]
pub struct Addresses(RwLock<Option<(BTreeMap<String, String>, StoreName)>>);

impl Addresses {
    /// From now on stores of these names are reached there, and all others by their endpoints.
    pub fn set(&self, addresses: BTreeMap<String, String>, name: StoreName) {
        let now = (!addresses.is_empty()).then_some((addresses, name));
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Where the store is reached, if not by its endpoint.
    pub(crate) fn of(&self, kind: StoreKind, region: &str, endpoint: Option<&str>) -> Option<String> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let (addresses, name) = known.as_ref()?;
        addresses.get(&name(kind, region, endpoint)).cloned()
    }
}
