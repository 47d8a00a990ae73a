//! Two regions, a catalogue, a tenant `acme` and its neighbour `acme-eu`, whose id begins with the tenant's.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use catalogue::ledger::{self, EntryState, LedgerEntry};
use catalogue::tenants::{self, Tenant, TenantStatus};
use engine::failpoints::{Failpoints, NoFailpoints};
use engine::tables::{in_doubt_table, workflow_table};
use engine::{HostLocks, Runner};
use store::{Store, StoreUrl, sql};
use tempfile::TempDir;
use testkit::hook_service::SECRET;
use testkit::observe::{Items, ObservedObject};
use testkit::{Ports, Region, RequestAge, Storage, observe, region};
use tokio_util::sync::CancellationToken;
use workers::{CredentialsFrom, HookSecrets, Movers, Settings};
use workflows::Deployment;
use workflows::actor::Actor;
use workflows::partitioning::PartSize;
use workflows::provision::{NewTenant, create_tenant};
use workflows::realm_move::{MoveRequest, MoveView, start_move, view_move};
use workflows::removal::{RemovalDetail, view_removal};
use workflows::timing::Timing;
use workflows::topology_change::apply_topology;

use crate::timing;

/// The tenant that moves.
pub const TENANT: &str = "acme";
/// A tenant whose id begins with the other's: nothing of it may ever change.
pub const NEIGHBOUR: &str = "acme-eu";
/// The longest that a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(240);

/// Which database holds the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// A file in a temporary folder.
    Sqlite,
    /// A fresh database in the temporary Postgres.
    Postgres,
}

impl Database {
    /// Every other one of these, and the rest on the other database: for drivers that try a hundred things, each of which is as
    /// true on the one as on the other. Which half comes first changes with `turn`, so that several drivers try all on both. All of
    /// them on both with `REALMCTL_ALL_STATES`, which takes several minutes more.
    pub fn share<T: Copy>(self, all: &[T], turn: usize) -> Vec<T> {
        if std::env::var_os("REALMCTL_ALL_STATES").is_some() {
            return all.to_vec();
        }
        let skipped = (usize::from(self == Self::Postgres) + turn) % 2;
        all.iter().copied().skip(skipped).step_by(2).collect()
    }
}

/// Everything that a test acts on.
pub struct World {
    /// us-east-1 and eu-west-1.
    pub regions: Vec<Region>,
    /// The catalogue's URL.
    pub store_url: String,
    /// What the workflows share.
    pub deployment: Deployment,
    /// In how many parts of `issues` and of `activity` a tenant's items stand.
    parts: (u32, u32),
    _folder: TempDir,
}

/// What the stores of one region hold, read with the plain SDK.
#[derive(Debug, Clone, PartialEq)]
pub struct Holdings {
    /// The issues table.
    pub issues: Items,
    /// The activity table.
    pub activity: Items,
    /// The media bucket, keys relative to the prefix.
    pub media: BTreeMap<String, ObservedObject>,
    /// Unfinished uploads in the media bucket.
    pub uploads: usize,
}

impl Holdings {
    /// Nothing at all.
    pub fn is_empty(&self) -> bool {
        self.issues.is_empty() && self.activity.is_empty() && self.media.is_empty() && self.uploads == 0
    }
}

/// How much to seed for the tenant.
#[derive(Debug, Clone, Copy)]
pub struct Seed {
    /// Items in the issues table.
    pub issues: usize,
    /// Items in the activity table.
    pub activity: usize,
    /// Objects in the media bucket.
    pub media: usize,
}

impl Seed {
    /// A little of everything, awkward cases included.
    pub const SMALL: Self = Self { issues: 40, activity: 16, media: 9 };
}

/// Opens the store and deploys with short times and the regions' credentials.
pub async fn deploy(store_url: &str) -> Deployment {
    let url: StoreUrl = store_url.parse().expect("the tests' store URLs are well formed");
    deploy_on(Store::open(&url).await.expect("the store opens"))
}

/// The same with parts of so many objects.
pub async fn deploy_with_parts_of(store_url: &str, objects: u64) -> Deployment {
    let deployment = deploy(store_url).await;
    Deployment { part_size: PartSize { objects, ..deployment.part_size }, ..deployment }
}

/// Opens the store and deploys with these times.
pub async fn deploy_timed(store_url: &str, timing: Timing) -> Deployment {
    let url: StoreUrl = store_url.parse().expect("the tests' store URLs are well formed");
    deploy_timed_on(Store::open(&url).await.expect("the store opens"), timing)
}

/// Deploys on an open store.
pub fn deploy_on(store: Store) -> Deployment {
    deploy_timed_on(store, timing::short())
}

/// The same with these times.
pub fn deploy_timed_on(store: Store, timing: Timing) -> Deployment {
    timing.check().expect("the tests' constants fit together");
    let movers = movers(settings(&timing));
    let locks = std::env::temp_dir().join(format!("realmctl-acceptance-{}", rustix::process::getuid().as_raw()));
    let locks = HostLocks::take(&locks).expect("a lock of this process");
    Deployment::new(store, movers, timing).with_locks(locks)
}

/// The movers' settings under these times.
pub fn settings(timing: &Timing) -> Settings {
    Settings {
        index_settle: timing.index_settle,
        skew: timing.max_clock_skew,
        permit_fresh_for: Duration::from_millis(50),
        checkpoint_every: Duration::ZERO,
        // Long enough for a machine that stands still for a while.
        replication_wait: Duration::from_secs(60),
        hook_secrets: HookSecrets::parse(&format!("default={SECRET}")).expect("a secret of the right form"),
        ..Settings::default()
    }
}

/// Movers with the regions' credentials.
pub fn movers(settings: Settings) -> Movers {
    Movers::new(CredentialsFrom::Fixed(region::credentials()), settings)
}

/// What realmctl logs, printed with a failed test; RUST_LOG decides how much.
fn log_to_the_test() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    // Only the first test of a process installs it.
    drop(tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init());
}

/// A catalogue URL of this kind, and the folder that keeps it.
pub async fn fresh_store(database: Database) -> (String, TempDir) {
    log_to_the_test();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = match database {
        Database::Sqlite => format!("sqlite:{}", folder.path().join("realmctl.db").display()),
        Database::Postgres => testkit::postgres::fresh_database().await.expect("a fresh database").url,
    };
    (url, folder)
}

impl World {
    /// A world whose tenant is in the realm `us`, with data, next to a neighbour.
    pub async fn new(database: Database) -> Self {
        Self::with_topology(database, Seed::SMALL, |yaml| yaml).await
    }

    /// The same with another topology: `edit` gets the usual one, of [`few_parts`].
    pub async fn with_topology(database: Database, seed: Seed, edit: impl FnOnce(String) -> String) -> Self {
        let (store_url, folder) = fresh_store(database).await;
        let deployment = deploy(&store_url).await;
        Self::on(deployment, store_url, folder, (seed, RequestAge::AWS), edit).await
    }

    /// The same on a deployment made by the caller, with regions that accept requests of this age.
    pub async fn on(
        deployment: Deployment,
        store_url: String,
        folder: TempDir,
        (seed, age): (Seed, RequestAge),
        edit: impl FnOnce(String) -> String,
    ) -> Self {
        let start = |name| Region::start_accepting(name, Storage::Memory, Ports::Any, age).expect("a region starts");
        let regions = vec![start("us-east-1"), start("eu-west-1")];
        let all: Vec<&Region> = regions.iter().collect();
        testkit::prepare(&all).await.expect("tables and buckets are made");
        let by = Actor::new("test", "to test");
        let yaml = edit(few_parts(&testkit::topology(&all)));
        apply_topology(&deployment, &yaml, &by).await.expect("the topology is applied");
        for (id, realm) in [(TENANT, "us"), (NEIGHBOUR, "us")] {
            let new = NewTenant {
                id: id.parse().expect("a tenant id"),
                host: format!("{id}.example").parse().expect("a host"),
                realm: realm.to_owned(),
            };
            create_tenant(&deployment, &new, &by).await.expect("the tenant is created");
        }
        let parts = if yaml.contains(MANY_PARTS.0) { (10, 4) } else { (2, 1) };
        let world = Self { regions, store_url, deployment, parts, _folder: folder };
        world.finish_creating().await;
        world.fill("us-east-1", TENANT, seed).await;
        world.fill("us-east-1", NEIGHBOUR, Seed { issues: 15, activity: 8, media: 5 }).await;
        // Data of the neighbour in both regions, so that a careless removal or read-back would meet it.
        world.fill("eu-west-1", NEIGHBOUR, Seed { issues: 9, activity: 4, media: 3 }).await;
        world
    }

    /// A catalogue with this topology and the tenant in this realm, on regions that the caller has prepared
    /// and fills.
    pub async fn on_regions(database: Database, regions: Vec<Region>, yaml: &str, realm: &str) -> Self {
        let (store_url, folder) = fresh_store(database).await;
        let deployment = deploy(&store_url).await;
        Self { regions, ..Self::elsewhere(deployment, store_url, folder, yaml, realm).await }
    }

    /// A catalogue with this topology and the tenant in this realm, over stores that the caller has prepared and fills.
    pub async fn elsewhere(
        deployment: Deployment,
        store_url: String,
        folder: TempDir,
        yaml: &str,
        realm: &str,
    ) -> Self {
        let by = Actor::new("test", "to test");
        apply_topology(&deployment, yaml, &by).await.expect("the topology is applied");
        let new = NewTenant {
            id: TENANT.parse().expect("a tenant id"),
            host: format!("{TENANT}.example").parse().expect("a host"),
            realm: realm.to_owned(),
        };
        create_tenant(&deployment, &new, &by).await.expect("the tenant is created");
        Self { regions: Vec::new(), store_url, deployment, parts: (10, 4), _folder: folder }
    }

    /// Runs until no tenant is being created any more: services with hooks take part in that.
    pub async fn finish_creating(&self) {
        let created = || async {
            let mut tx = self.deployment.store.read().await.expect("a read begins");
            let all = tenants::list(&mut tx, None, None, 1_000).await.expect("tenants can be listed");
            tx.rollback().await.expect("a read ends");
            all.iter().all(|tenant| tenant.status != TenantStatus::Provisioning)
        };
        if !created().await {
            self.run_until(NoFailpoints, created).await;
        }
    }

    /// As if another process had said for good that it runs tasks: a busy machine that says so late does not turn a move around.
    pub async fn somebody_is_there(&self) {
        let mut tx = self.deployment.store.begin().await.expect("a write begins");
        let kinds = r#"["copy", "verify", "compare", "remove"]"#;
        sql("INSERT INTO runners (owner, task_kinds, heard_until) VALUES ('somebody', $1, $2)")
            .bind(kinds)
            .bind(i64::MAX)
            .execute(&mut tx)
            .await
            .expect("it is inserted");
        tx.commit().await.expect("committed");
    }

    /// Seeds a tenant's data in a region.
    pub async fn fill(&self, region: &str, tenant: &str, seed: Seed) {
        use testkit::fixtures::{seed_items, seed_objects};
        let at = self.region(region);
        let bucket = format!("media-{region}");
        seed_items(at, "issues", "tenant_shard", tenant, self.parts.0, seed.issues, 7)
            .await
            .expect("issues are seeded");
        seed_items(at, "activity", "tenant_shard", tenant, self.parts.1, seed.activity, 8)
            .await
            .expect("activity is seeded");
        seed_objects(at, &bucket, &format!("{tenant}/"), seed.media, 9).await.expect("media is seeded");
    }

    /// The region of that name.
    pub fn region(&self, name: &str) -> &Region {
        self.regions.iter().find(|region| region.name() == name).expect("one of the two regions")
    }

    /// What a region holds of a tenant, read with the plain SDK.
    pub async fn holdings(&self, region: &str, tenant: &str) -> Holdings {
        let at = self.region(region);
        holdings_of(region, (at.dynamodb_endpoint(), at.s3_endpoint()), tenant).await
    }

    /// What both regions hold of the neighbour.
    pub async fn neighbour(&self) -> (Holdings, Holdings) {
        (self.holdings("us-east-1", NEIGHBOUR).await, self.holdings("eu-west-1", NEIGHBOUR).await)
    }

    /// A runner on this world's deployment.
    pub fn runner(&self) -> Runner {
        runner_of(&self.deployment)
    }

    /// Runs workflows and tasks, with `failpoints`, until `done`.
    pub async fn run_until<F: Future<Output = bool>>(&self, failpoints: impl Failpoints, done: impl Fn() -> F) {
        Self::run_by(self.runner().with_failpoints(failpoints), done).await;
    }

    /// Has `runner` run workflows and tasks until `done`.
    pub async fn run_by<F: Future<Output = bool>>(runner: Runner, done: impl Fn() -> F) {
        let stop = CancellationToken::new();
        let reached = async {
            wait_until(done).await;
            stop.cancel();
        };
        // A runner is a large future, and tests nest them.
        tokio::join!(Box::pin(runner.run(stop.clone())), reached);
    }

    /// The time by the catalogue's database.
    pub async fn now(&self) -> i64 {
        let mut tx = self.deployment.store.read().await.expect("a read begins");
        let now = tx.now().await.expect("the database has a clock");
        tx.rollback().await.expect("a read ends");
        now
    }

    /// Starts a move of the tenant and returns its id.
    pub async fn start_move(&self, to: &str) -> String {
        let by = Actor::new("test", "to test");
        start_move(&self.deployment, &request(to), &by).await.expect("the move starts").id
    }

    /// Starts a move and runs it, with `failpoints`, until it and all removals have ended.
    pub async fn run_move(&self, to: &str, failpoints: impl Failpoints) -> MoveView {
        let id = self.start_move(to).await;
        self.run_until(failpoints, || self.has_ended(&id)).await;
        self.no_task_is_left(&id).await;
        self.view(&id).await
    }

    /// Asserts that nothing of an ended move is left: no task that could still be claimed, nor what it knew, and no capacity
    /// that it or a removal of it had reserved.
    pub async fn no_task_is_left(&self, id: &str) {
        let mut tx = self.deployment.store.read().await.expect("a read begins");
        let left = engine::tables::task_table::of_workflow(&mut tx, id).await.expect("tasks can be listed");
        let reserved = catalogue::capacity::reserved_by(&mut tx).await.expect("reservations can be listed");
        tx.rollback().await.expect("a read ends");
        assert!(left.is_empty(), "{left:?}");
        let removals = self.view(id).await.removals;
        let leak = reserved.iter().find(|by| *by == id || removals.iter().any(|removal| removal.id == **by));
        assert_eq!(leak, None, "{reserved:?}");
    }

    /// Whether the move and every removal it queued have ended.
    pub async fn has_ended(&self, id: &str) -> bool {
        let view = self.view(id).await;
        let ended = |state: &str| ["done", "failed"].contains(&state);
        view.finished_at.is_some() && view.removals.iter().all(|removal| ended(&removal.state))
    }

    /// The move as the outside sees it.
    pub async fn view(&self, id: &str) -> MoveView {
        let mut tx = self.deployment.store.read().await.expect("a read begins");
        let view = view_move(&mut tx, id).await.expect("the move can be read").expect("the move exists");
        tx.rollback().await.expect("a read ends");
        view
    }

    /// The tenant.
    pub async fn tenant(&self) -> Tenant {
        let mut tx = self.deployment.store.read().await.expect("a read begins");
        let tenant = tenants::get(&mut tx, TENANT).await.expect("the tenant can be read").expect("the tenant exists");
        tx.rollback().await.expect("a read ends");
        tenant
    }

    /// The tenant's ledger: (service, region) to state.
    pub async fn entries(&self) -> BTreeMap<(String, String), EntryState> {
        self.full_entries()
            .await
            .into_iter()
            .map(|entry| ((entry.service, entry.location.region), entry.state))
            .collect()
    }

    /// The tenant's ledger entries.
    pub async fn full_entries(&self) -> Vec<LedgerEntry> {
        let mut tx = self.deployment.store.read().await.expect("a read begins");
        let entries = ledger::of_tenant(&mut tx, TENANT).await.expect("the ledger can be read");
        tx.rollback().await.expect("a read ends");
        entries
    }

    /// The removals that the move queued, as they are.
    pub async fn removals(&self, id: &str) -> Vec<RemovalDetail> {
        let mut details = Vec::new();
        let mut tx = self.deployment.store.read().await.expect("a read begins");
        let view = view_move(&mut tx, id).await.expect("the move can be read").expect("the move exists");
        for removal in view.removals {
            let detail = view_removal(&mut tx, &removal.id).await.expect("the removal can be read");
            details.push(detail.expect("the removal exists"));
        }
        tx.rollback().await.expect("a read ends");
        details
    }

    /// Processes that lost work at a location of the tenant and have not said that they stopped.
    pub async fn in_doubt_requests(&self) -> usize {
        let entries = self.full_entries().await;
        let mut tx = self.deployment.store.read().await.expect("a read begins");
        let mut found = 0;
        for entry in entries {
            found += in_doubt_table::of(&mut tx, TENANT, &entry.location.key()).await.expect("they can be read").len();
        }
        tx.rollback().await.expect("a read ends");
        found
    }

    /// The state stored for a workflow.
    pub async fn stored_state(&self, id: &str) -> String {
        let mut tx = self.deployment.store.read().await.expect("a read begins");
        let record = workflow_table::get(&mut tx, id).await.expect("the workflow can be read").expect("it exists");
        tx.rollback().await.expect("a read ends");
        record.state
    }

    /// The states that a workflow has entered, in order, with the notes.
    pub async fn history(&self, id: &str) -> Vec<(String, String, String)> {
        let mut tx = self.deployment.store.read().await.expect("a read begins");
        let rows = engine::tables::history::after(&mut tx, id, 0, 1_000).await.expect("the history can be read");
        tx.rollback().await.expect("a read ends");
        rows.into_iter().map(|row| (row.from_state, row.to_state, row.note)).collect()
    }
}

/// What a region with these endpoints holds of a tenant, read with the plain SDK.
pub async fn holdings_of(region: &str, (dynamodb, s3): (&str, &str), tenant: &str) -> Holdings {
    let (dynamodb, s3) = (region::dynamodb_client_at(region, dynamodb), region::s3_client_at(region, s3));
    let (bucket, prefix) = (format!("media-{region}"), format!("{tenant}/"));
    let items =
        async |table| observe::tenant_items(&dynamodb, table, "tenant_shard", tenant).await.expect("items can be read");
    let objects = observe::bucket_objects(&s3, &bucket, &prefix).await.expect("objects can be read");
    let uploads = observe::unfinished_uploads(&s3, &bucket, &prefix).await.expect("uploads can be listed");
    Holdings {
        issues: items("issues").await,
        activity: items("activity").await,
        media: objects.into_iter().map(|(key, object)| (key[prefix.len()..].to_owned(), object)).collect(),
        uploads: uploads.len(),
    }
}

/// A runner on a deployment.
pub fn runner_of(deployment: &Deployment) -> Runner {
    let name = deployment.owner.clone();
    Runner::new(deployment.store.clone(), workflows::registry(deployment), deployment.runner_settings(), name)
}

/// A request to move the tenant at once.
pub fn request(to: &str) -> MoveRequest {
    MoveRequest { tenant: TENANT.to_owned(), to: to.to_owned(), ..MoveRequest::default() }
}

/// Waits for a condition, bounded.
pub async fn wait_until<F: Future<Output = bool>>(done: impl Fn() -> F) {
    let reached = async {
        let mut look = tokio::time::interval(Duration::from_millis(20));
        loop {
            look.tick().await;
            if done().await {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.expect("the condition is reached in time");
}

const MANY_PARTS: (&str, &str) = ("shardCount: 10 }", "shardCount: 4 }");
const FEW_PARTS: (&str, &str) = ("shardCount: 2 }", "shardCount: 1 }");

/// The testkit's topology with two parts and one: most laws are the same however many parts there are, and quicker shown.
pub fn few_parts(yaml: &str) -> String {
    yaml.replace(MANY_PARTS.0, FEW_PARTS.0).replace(MANY_PARTS.1, FEW_PARTS.1)
}

/// What [`few_parts`] took away.
pub fn many_parts(yaml: &str) -> String {
    yaml.replace(FEW_PARTS.0, MANY_PARTS.0).replace(FEW_PARTS.1, MANY_PARTS.1)
}
