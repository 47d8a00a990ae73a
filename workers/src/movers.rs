//! The movers, and how they open what they work on. Each operation is a file of its own.

mod compare_before_removal;
mod copy;
mod digest;
mod dropped_replica;
mod look;
mod remove;
mod services;
mod verify;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use serde_json::Value;
use tokio::time::Instant;

use crate::addresses::Addresses;
use crate::checkpointed_pass::{Operation, Run};
use crate::clients::{Clients, CredentialsFrom};
use crate::dynamodb::{Described, DescriptionCache, Part, Table};
use crate::error::WorkError;
use crate::failure::Site;
use crate::heard_time::HeardTime;
use crate::heartbeat::Heartbeat;
use crate::hooks::{HookClient, Service};
use crate::limits::Limits;
use crate::part::PartAt;
use crate::place::Place;
use crate::progress::Checkpoints;
use crate::s3::{Bucket, Share};
use crate::settings::Settings;
use crate::store::Store;
use crate::store_clocks::{ClockOf, ClockWatch, Clocks};
use crate::tables::Tables;

/// Copies, digests, verifies and removes a tenant's data, one part of a place at a time. Cheap to clone.
///
/// Every operation may be repeated, and resumed from any checkpoint it saved; both end in the same state of the stores.
/// Nothing that an operation started runs on after its future has ended or was dropped, except requests already sent.
#[derive(Clone)]
pub struct Movers(Arc<Inner>);

struct Inner {
    tables: Arc<dyn Tables>,
    /// `None` where only tables are worked with.
    buckets: Option<Arc<Clients>>,
    hooks: Arc<HookClient>,
    settings: Settings,
    limits: Arc<Limits>,
    time: Arc<HeardTime>,
    clocks: Arc<Clocks>,
    /// One for each table that was opened; as many as the topology has.
    shared: Mutex<HashMap<Place, Arc<DescriptionCache>>>,
}

impl Movers {
    /// Does nothing yet: credentials and connections are made when first needed.
    pub fn new(credentials: CredentialsFrom, settings: Settings) -> Self {
        let clocks = Arc::new(Clocks::default());
        let time = Arc::default();
        let clients = Arc::new(Clients::new(credentials, &settings, Arc::clone(&clocks), &time));
        let (tables, buckets) = (Arc::clone(&clients) as Arc<dyn Tables>, Some(clients));
        Self::over(tables, buckets, (clocks, time), settings)
    }

    /// Movers over these tables, such as simulated ones, which tell `clocks` of their time; they work on no bucket.
    pub fn with_tables(tables: Arc<dyn Tables>, clocks: Arc<Clocks>, settings: Settings) -> Self {
        Self::over(tables, None, (clocks, Arc::default()), settings)
    }

    fn over(
        tables: Arc<dyn Tables>,
        buckets: Option<Arc<Clients>>,
        (clocks, time): (Arc<Clocks>, Arc<HeardTime>),
        settings: Settings,
    ) -> Self {
        let hooks = Arc::new(HookClient::new(&settings, Arc::clone(&clocks)));
        let (limits, shared) = Default::default();
        Self(Arc::new(Inner { tables, buckets, hooks, settings, limits, time, clocks, shared }))
    }

    /// The settings given.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// What the stores are reached by; `None` where only tables are worked with.
    pub(crate) fn clients(&self) -> Option<&Clients> {
        self.0.buckets.as_deref()
    }

    /// Whether stores are reached over the network.
    pub fn reach_stores(&self) -> bool {
        self.0.buckets.is_some()
    }

    /// What limits requests to tables.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Where stores are reached; `None` where there is nothing but simulated ones.
    pub fn addresses(&self) -> Option<&Addresses> {
        self.0.buckets.as_deref().map(Clients::addresses)
    }

    /// Tells what time it was by the catalogue's database at a moment: items expire by it, and reads are signed with it.
    pub fn hear_time(&self, then: SystemTime, at: Instant) {
        self.0.time.hear(then, at);
    }

    /// Whether the time should be told again before work begins.
    pub fn is_time_old(&self) -> bool {
        self.0.time.is_old()
    }

    /// What the stores have told of their clocks.
    pub fn clocks(&self) -> &Clocks {
        &self.0.clocks
    }

    /// By what permits for the place are judged: its store's clock may differ by `skew` from the database's.
    pub fn clock_watch(&self, place: &Place, skew: std::time::Duration) -> ClockWatch {
        ClockWatch { clocks: Arc::clone(&self.0.clocks), of: ClockOf::place(place), skew }
    }

    fn run<'a>(&self, operation: Operation, checkpoints: &'a dyn Checkpoints, resume: Option<Value>) -> Run<'a> {
        Run::new(operation, checkpoints, self.0.settings.checkpoint_every, resume)
    }

    fn heartbeat<'a>(&self, checkpoints: &'a dyn Checkpoints) -> Heartbeat<'a> {
        Heartbeat::new(checkpoints, self.0.settings.checkpoint_every)
    }

    /// The service behind the place; `None` when it is a table or a bucket.
    fn service(&self, place: &Place, tenant: &str) -> Result<Option<Service>, WorkError> {
        Service::open(&self.0.hooks, place, tenant, &self.0.settings)
    }

    async fn open(&self, at: PartAt<'_>, described: Described) -> Result<Store, WorkError> {
        let PartAt { place, tenant, part, ends } = at;
        if part >= place.parts() || tenant.is_empty() || tenant.contains(['#', '/']) {
            let message = format!("{} has no part {part} of tenant `{tenant}`", Site::of(place));
            return Err(WorkError::permanent("place_invalid", message));
        }
        let Inner { tables, buckets, settings, time, .. } = &*self.0;
        match place {
            Place::Dynamodb { index, index_key, .. } => {
                let shared = self.shared(place);
                let sharing = (&shared, part, described);
                let table = Table::open(&**tables, place, (index, index_key), settings, sharing, (time, ends)).await?;
                Ok(Store::Table(Box::new(table), Part::new(tenant, part)))
            }
            Place::S3 { region, endpoint, bucket, prefix, bounds } => {
                let clients = buckets.as_deref().ok_or_else(|| {
                    WorkError::permanent("place_invalid", format!("{} can't be worked on without S3", Site::of(place)))
                })?;
                let address = (region.as_str(), endpoint.as_deref());
                let share = Share::of(bounds, part);
                let bucket = Bucket::open(clients, place, address, (bucket, prefix, share), tenant, settings).await?;
                Ok(Store::Bucket(Box::new(bucket)))
            }
            Place::Hooks { .. } => {
                let message = format!("{} keeps another kind of data than a table or a bucket", Site::of(place));
                Err(WorkError::permanent("place_invalid", message))
            }
        }
    }

    fn shared(&self, place: &Place) -> Arc<DescriptionCache> {
        let mut shared = self.0.shared.lock().expect("no holder of this lock panics");
        Arc::clone(
            shared.entry(place.clone()).or_insert_with(|| Arc::new(DescriptionCache::new(&self.0.limits, place))),
        )
    }
}
