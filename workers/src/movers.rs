//! The facade of this crate: the operations that a data task can be.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::clients::{Clients, CredentialsFrom};
use crate::dynamodb::pacing::{Pacer, Pacers};
use crate::dynamodb::{self, Part, Table};
use crate::error::WorkError;
use crate::failure::Site;
use crate::hooks::{self, HookClient, Service};
use crate::inspection::{Inspection, Size};
use crate::mismatch;
use crate::permit::Permits;
use crate::place::Place;
use crate::progress::{Checkpoints, Tally};
use crate::pulse::Pulse;
use crate::run::{Operation, Run};
use crate::s3::{self, Bucket, Cuts, Share};
use crate::settings::Settings;
use crate::settle;
use crate::store::Store;
use crate::tables::Tables;
use crate::verification::{How, Verification, Verified};

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
    /// Some for each (table, part); as many as the topology has.
    pacers: Mutex<HashMap<(Place, u32), Pacers>>,
    /// One for each table.
    tables_paced: Mutex<HashMap<Place, Arc<Pacer>>>,
}

impl Movers {
    /// Does nothing yet: credentials and connections are made when first needed.
    pub fn new(credentials: CredentialsFrom, settings: Settings) -> Self {
        let clients = Arc::new(Clients::new(credentials, &settings));
        let (tables, buckets) = (Arc::clone(&clients) as Arc<dyn Tables>, Some(clients));
        let hooks = Arc::new(HookClient::new(&settings));
        Self::over(tables, buckets, hooks, settings)
    }

    /// Movers over these tables, such as simulated ones; they work on no bucket.
    pub fn with_tables(tables: Arc<dyn Tables>, settings: Settings) -> Self {
        let hooks = Arc::new(HookClient::new(&settings));
        Self::over(tables, None, hooks, settings)
    }

    fn over(
        tables: Arc<dyn Tables>,
        buckets: Option<Arc<Clients>>,
        hooks: Arc<HookClient>,
        settings: Settings,
    ) -> Self {
        let (pacers, tables_paced) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Inner { tables, buckets, hooks, settings, pacers, tables_paced }))
    }

    /// The settings given.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

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
        match self.open(place, tenant, 0).await? {
            Store::Table(table, _) => dynamodb::inspect(&table, tenant, place.parts()).await,
            Store::Bucket(bucket) => s3::inspect(&bucket).await,
        }
    }

    /// How much there is of the tenant in the whole place, for estimates: items as the index lists them (their bytes are not
    /// known), objects and bytes as the bucket lists them. No digest.
    ///
    /// # Errors
    /// What went wrong with a store.
    pub async fn measure(&self, place: &Place, tenant: &str) -> Result<Tally, WorkError> {
        if let Some(service) = self.service(place, tenant)? {
            return service.measure().await;
        }
        match self.open(place, tenant, 0).await? {
            Store::Table(table, _) => {
                let items = dynamodb::measure(&table, tenant, place.parts()).await?;
                Ok(Tally { items, ..Tally::default() })
            }
            Store::Bucket(bucket) => {
                let (objects, bytes, _) = s3::measure(&bucket).await?;
                Ok(Tally { objects, bytes, ..Tally::default() })
            }
        }
    }

    /// The same, with where the objects of a bucket can be divided.
    ///
    /// # Errors
    /// What went wrong with a store.
    pub async fn survey(&self, place: &Place, tenant: &str) -> Result<(Tally, Cuts), WorkError> {
        if let Place::S3 { .. } = place
            && let Store::Bucket(bucket) = self.open(place, tenant, 0).await?
        {
            let (objects, bytes, cuts) = s3::measure(&bucket).await?;
            return Ok((Tally { objects, bytes, ..Tally::default() }, cuts));
        }
        Ok((self.measure(place, tenant).await?, Cuts::default()))
    }

    /// The same, with how large it all is and what it takes to read and write; some items of each part are looked at.
    ///
    /// # Errors
    /// What went wrong with a store.
    pub async fn size(&self, place: &Place, tenant: &str) -> Result<Size, WorkError> {
        if let Some(service) = self.service(place, tenant)? {
            let Tally { items, objects, bytes, .. } = service.measure().await?;
            return Ok(Size { items, objects, bytes, ..Size::default() });
        }
        match self.open(place, tenant, 0).await? {
            Store::Table(table, _) => dynamodb::size(&table, tenant, place.parts()).await,
            Store::Bucket(bucket) => {
                let (objects, bytes, _) = s3::measure(&bucket).await?;
                Ok(Size { objects, bytes, ..Size::default() })
            }
        }
    }

    /// Copies one part, and looks again until the source has settled. Returns the settled source's tally.
    ///
    /// # Errors
    /// `not_settled` (retryable), `foreign_item`, `schema_mismatch`, lost leases of `permits` and `checkpoints`, or what went
    /// wrong with a store.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a fact of the task; grouping them would only rename the list"
    )]
    pub async fn copy(
        &self,
        from: &Place,
        to: &Place,
        tenant: &str,
        part: u32,
        permits: &Permits<'_>,
        checkpoints: &dyn Checkpoints,
        resume: Option<Value>,
    ) -> Result<Tally, WorkError> {
        self.copy_as(&How::default(), from, to, tenant, part, permits, checkpoints, resume).await
    }

    /// The same, looking again only as closely as is asked for. Without the full look, the tally is that of what was copied.
    ///
    /// # Errors
    /// As [`Movers::copy`]; and `key_prefix_mismatch` when an item's key is not as `how` says.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a fact of the task; grouping them would only rename the list"
    )]
    pub async fn copy_as(
        &self,
        how: &How,
        from: &Place,
        to: &Place,
        tenant: &str,
        part: u32,
        permits: &Permits<'_>,
        checkpoints: &dyn Checkpoints,
        resume: Option<Value>,
    ) -> Result<Tally, WorkError> {
        if from == to {
            return Err(WorkError::permanent("place_invalid", "source and target of a copy are the same place"));
        }
        if let (Some(source), Some(target)) = (self.service(from, tenant)?, self.service(to, tenant)?) {
            return Box::pin(hooks::copy(&source, &target, permits, checkpoints, resume)).await;
        }
        let source = self.open(from, tenant, part).await?;
        let target = self.open(to, tenant, part).await?;
        source.check_same_shape(&target)?;
        let mut run = self.run(Operation::Copy, checkpoints, resume);
        settle::copy(&source, &target, how, permits, &mut run, &self.0.settings).await
    }

    /// Counts and digests one part by one complete pass, reading base tables and whole objects.
    ///
    /// # Errors
    /// Lost leases of `checkpoints`, or what went wrong with a store.
    pub async fn digest(
        &self,
        at: &Place,
        tenant: &str,
        part: u32,
        checkpoints: &dyn Checkpoints,
        resume: Option<Value>,
    ) -> Result<Tally, WorkError> {
        if let Some(service) = self.service(at, tenant)? {
            return Box::pin(hooks::tally(&service, &self.pulse(checkpoints))).await;
        }
        let store = self.open(at, tenant, part).await?;
        let mut run = self.run(Operation::Digest, checkpoints, resume);
        store.digest_pass(&mut run).await?;
        Ok(run.tally())
    }

    /// Reads one part of `at` back, and again while it differs from `expected`, for an index may be late.
    ///
    /// # Errors
    /// `verify_mismatch`, naming up to ten keys in which it differs from `source`; lost leases of `checkpoints`; or what went
    /// wrong with a store.
    pub async fn verify(
        &self,
        source: &Place,
        at: &Place,
        tenant: &str,
        part: u32,
        expected: &Tally,
        checkpoints: &dyn Checkpoints,
    ) -> Result<Tally, WorkError> {
        let verified = self.verify_as(Verification::Full, source, at, tenant, part, expected, checkpoints).await?;
        Ok(verified.tally.unwrap_or(*expected))
    }

    /// The same, as closely as is asked for; with [`Verification::Off`] nothing is read.
    ///
    /// # Errors
    /// As [`Movers::verify`].
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a fact of the task; grouping them would only rename the list"
    )]
    pub async fn verify_as(
        &self,
        verification: Verification,
        source: &Place,
        at: &Place,
        tenant: &str,
        part: u32,
        expected: &Tally,
        checkpoints: &dyn Checkpoints,
    ) -> Result<Verified, WorkError> {
        if verification == Verification::Off {
            return Ok(Verified { read_back: 0, tally: None, passes: 0 });
        }
        if let Some(service) = self.service(at, tenant)? {
            let seen = Box::pin(hooks::verify(&service, expected, &self.pulse(checkpoints))).await?;
            return Ok(Verified { read_back: seen.items, tally: Some(seen), passes: 1 });
        }
        let store = self.open(at, tenant, part).await?;
        let source = self.open(source, tenant, part).await?;
        let mut run = self.run(Operation::Verify, checkpoints, None);
        let (name, settings) = (Site::of(at).to_string(), &self.0.settings);
        if verification == Verification::Sampled {
            return settle::verify_sample(&source, &store, &name, expected, &mut run, settings).await;
        }
        settle::verify(&source, &store, &name, expected, &mut run, settings).await
    }

    /// Looks whether one part still holds what was `verified` there. A difference does no harm while everything there is in
    /// `live` as well, with the same contents. Deletes nothing.
    ///
    /// # Errors
    /// `late_writes`, naming up to ten keys that would be lost; lost leases of `checkpoints`; or what went wrong with a store.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a fact of the task; grouping them would only rename the list"
    )]
    pub async fn compare(
        &self,
        at: &Place,
        live: Option<&Place>,
        tenant: &str,
        part: u32,
        verified: &Tally,
        checkpoints: &dyn Checkpoints,
        resume: Option<Value>,
    ) -> Result<Tally, WorkError> {
        if let Some(service) = self.service(at, tenant)? {
            let live = live.map(|live| self.service(live, tenant)).transpose()?.flatten();
            return Box::pin(hooks::compare(&service, live.as_ref(), verified, &self.pulse(checkpoints))).await;
        }
        let store = self.open(at, tenant, part).await?;
        let mut run = self.run(Operation::Compare, checkpoints, resume);
        store.digest_pass(&mut run).await?;
        let seen = run.tally();
        if seen == *verified {
            return Ok(seen);
        }
        let name = Site::of(at).to_string();
        let Some(live) = live else { return Err(mismatch::late(&name, verified, &seen, None)) };
        let live = self.open(live, tenant, part).await?;
        let found = store.unlike(&live, &run.pulse()).await?;
        if found.is_empty() { Ok(seen) } else { Err(mismatch::late(&name, verified, &seen, Some(&found))) }
    }

    /// Where the store itself replicates the place to, right now: regions of a global table, or destination buckets.
    ///
    /// # Errors
    /// What went wrong with a store.
    pub async fn replicates_to(&self, at: &Place, tenant: &str) -> Result<Vec<String>, WorkError> {
        if self.service(at, tenant)?.is_some() {
            return Ok(Vec::new());
        }
        self.open(at, tenant, 0).await?.replicates_to().await
    }

    /// Empties one part and proves it empty. Returns what was removed: after a crash, what was removed but not yet
    /// checkpointed is missing from it.
    ///
    /// # Errors
    /// `not_empty` (retryable), lost leases of `permits` and `checkpoints`, or what went wrong with a store.
    pub async fn remove(
        &self,
        at: &Place,
        tenant: &str,
        part: u32,
        permits: &Permits<'_>,
        checkpoints: &dyn Checkpoints,
        resume: Option<Value>,
    ) -> Result<Tally, WorkError> {
        if let Some(service) = self.service(at, tenant)? {
            return Box::pin(hooks::remove(&service, permits, checkpoints, resume)).await;
        }
        let store = self.open(at, tenant, part).await?;
        // Once a place, not once a part: a place is not empty while items stand under values that nobody removes.
        if let (Store::Table(table, _), 0) = (&store, part) {
            dynamodb::check_shard_count(table, tenant, at.parts()).await?;
        }
        let mut run = self.run(Operation::Remove, checkpoints, resume);
        store.remove(permits, &mut run).await
    }

    fn run<'a>(&self, operation: Operation, checkpoints: &'a dyn Checkpoints, resume: Option<Value>) -> Run<'a> {
        Run::new(operation, checkpoints, self.0.settings.checkpoint_every, resume)
    }

    fn pulse<'a>(&self, checkpoints: &'a dyn Checkpoints) -> Pulse<'a> {
        Pulse::new(checkpoints, self.0.settings.checkpoint_every)
    }

    /// The service behind the place; `None` when it is a table or a bucket.
    pub(crate) fn service(&self, place: &Place, tenant: &str) -> Result<Option<Service>, WorkError> {
        Service::open(&self.0.hooks, place, tenant, &self.0.settings)
    }

    async fn open(&self, place: &Place, tenant: &str, part: u32) -> Result<Store, WorkError> {
        if part >= place.parts() || tenant.is_empty() || tenant.contains(['#', '/']) {
            let message = format!("{} has no part {part} of tenant `{tenant}`", Site::of(place));
            return Err(WorkError::permanent("place_invalid", message));
        }
        let Inner { tables, buckets, settings, .. } = &*self.0;
        match place {
            Place::Dynamodb { index, index_key, .. } => {
                let pacers = self.pacers(place, part);
                let table = Table::open(&**tables, place, (index, index_key), settings, pacers).await?;
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

    fn pacers(&self, place: &Place, part: u32) -> Pacers {
        let mut tables = self.0.tables_paced.lock().expect("no holder of this lock panics");
        let table = tables.entry(place.clone()).or_insert_with(|| Arc::new(Pacer::new()));
        let mut pacers = self.0.pacers.lock().expect("no holder of this lock panics");
        pacers.entry((place.clone(), part)).or_insert_with(|| Pacers::new(Arc::clone(table))).clone()
    }
}
