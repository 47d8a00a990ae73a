//! One run from the first server to the report.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;
use testkit::{Error, Ports, Region, RequestAge, Storage, fixtures};
use tokio::task::JoinSet;

use crate::api::{Api, Request};
use crate::catalogue::Catalogue;
use crate::clients::{Client, Journal, Stores};
use crate::faults::Injector;
use crate::fleet::{Fleet, PROCESSES};
use crate::movers::{move_back_and_forth, replay_removals};
use crate::observer::{Seen, observe};
use crate::options::{LIMIT, Options, SIGNED_REQUEST_TTL, timing};
use crate::random::Random;
use crate::report::Report;
use crate::stage::Stage;
use crate::verdict::{Seeded, holdings, judge, until_at_rest};

/// What each tenant has before it begins.
const ITEMS: usize = 80;
const ACTIVITY: usize = 24;
const OBJECTS: usize = 10;

/// A tenant whose id begins with another's, and which never moves: nothing may happen to it.
const STILL: &str = "tenant-1-still";

/// Runs it all. An error means that the run itself could not go on; broken promises are in the report.
pub(crate) async fn run(options: Options) -> Result<Report, Error> {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seed = options.seed.unwrap_or(clock.as_secs());
    let logs = options.logs.join(format!("seed-{seed}-{}", clock.as_millis()));
    std::fs::create_dir_all(&logs).map_err(|error| Error::new(format!("create {}", logs.display()), error))?;
    let logs = logs.canonicalize().map_err(|error| Error::new("find the folder of the logs", error))?;
    eprintln!("soak: seed {seed}, logs in {}", logs.display());
    let mut report = tokio::time::timeout(LIMIT, Box::pin(with_logs(&options, seed, &logs)))
        .await
        .map_err(|_| Error::plain(format!("not done after {LIMIT:?}; the logs are in {}", logs.display())))??;
    if report.problems.is_empty() {
        std::fs::remove_dir_all(&logs).map_err(|error| Error::new("remove the logs", error))?;
    } else {
        std::fs::write(logs.join("report.json"), report.json())
            .map_err(|error| Error::new("write the report", error))?;
        report.logs = Some(logs);
    }
    Ok(report)
}

async fn with_logs(options: &Options, seed: u64, logs: &Path) -> Result<Report, Error> {
    let age = RequestAge { dynamodb: SIGNED_REQUEST_TTL, s3: SIGNED_REQUEST_TTL };
    let start = |name| Region::start_accepting(name, Storage::Memory, Ports::Any, age);
    let regions = [start("us-east-1")?, start("eu-west-1")?];
    let all: Vec<&Region> = regions.iter().collect();
    testkit::prepare(&all).await?;
    let folder = Folder::new(logs)?;
    let catalogue = Catalogue::start(options, folder.servers.path()).await?;
    let servers = Fleet::addresses()?;
    let urls = servers.iter().map(|at| format!("http://{at}")).collect();
    let api = Api::new(urls).map_err(|error| Error::new("make an HTTP client", error))?;
    let events =
        std::fs::File::create(logs.join("events.log")).map_err(|error| Error::new("create the event log", error))?;
    let stage = Arc::new(Stage::new(api, PROCESSES, events));
    // A copy, so that a build during the run changes nothing.
    let realmctl = folder.servers.path().join("realmctl");
    std::fs::copy(named(options)?, &realmctl).map_err(|error| Error::new("copy realmctl", error))?;
    let timing = timing(options.no_drain);
    let fleet = Fleet::start(&stage, &realmctl, &timing, &servers, &catalogue, logs).await?;
    let tenants: Vec<String> = (1..=options.tenants).map(|number| format!("tenant-{number}")).collect();
    let cast = Cast::prepare(&stage, &regions, &tenants).await?;
    let seen = cast.play(&stage, &fleet, catalogue, options, seed).await?;
    fleet.stop().await;
    Ok(report(&stage, seed, &seen))
}

/// The folder that the Postgres servers are in. Their logs are kept with the others when it goes.
struct Folder {
    servers: tempfile::TempDir,
    logs: PathBuf,
}

impl Folder {
    fn new(logs: &Path) -> Result<Self, Error> {
        let servers = tempfile::Builder::new().prefix("realmctl-soak.").tempdir();
        let servers = servers.map_err(|error| Error::new("make a folder for Postgres", error))?;
        Ok(Self { servers, logs: logs.to_owned() })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let files = std::fs::read_dir(self.servers.path()).into_iter().flatten().flatten().map(|entry| entry.path());
        for log in files.filter(|path| path.extension().is_some_and(|extension| extension == "log")) {
            // Only a help to whoever looks into a failure.
            drop(std::fs::copy(&log, self.logs.join(log.file_name().unwrap_or_default())));
        }
    }
}

/// The tenants, what they were given, and their stores.
struct Cast {
    tenants: Vec<(String, Seeded)>,
    stores: Vec<Stores>,
}

impl Cast {
    async fn prepare(stage: &Stage, regions: &[Region; 2], movers: &[String]) -> Result<Self, Error> {
        let applied = stage.api.put_topology(testkit::topology(&regions.each_ref())).await;
        if !applied.status.is_success() {
            return Err(Error::plain(format!("the topology was refused: {applied:?}")));
        }
        let stores: Vec<Stores> = regions.iter().map(Stores::of).collect();
        let mut tenants = Vec::new();
        for tenant in movers.iter().map(String::as_str).chain([STILL]) {
            let body = json!({ "id": tenant, "host": format!("{tenant}.example"), "realm": "us" });
            let created = stage.api.ask(&Request::post("tenants", body)).await;
            if !created.status.is_success() {
                return Err(Error::plain(format!("{tenant} was not created: {created:?}")));
            }
            for (table, shards, count) in [("issues", 10, ITEMS), ("activity", 4, ACTIVITY)] {
                fixtures::seed_items(&regions[0], table, "tenant_shard", tenant, shards, count, 7).await?;
            }
            fixtures::seed_objects(&regions[0], "media-us-east-1", &format!("{tenant}/"), OBJECTS, 7).await?;
            tenants.push((tenant.to_owned(), holdings(&stores[0], tenant).await?.0));
        }
        Ok(Self { tenants, stores })
    }

    /// Everybody plays until there were enough faults and moves; then everything comes to rest and is judged.
    async fn play(
        &self,
        stage: &Arc<Stage>,
        fleet: &Fleet,
        catalogue: Catalogue,
        options: &Options,
        seed: u64,
    ) -> Result<Vec<Seen>, Error> {
        let (mut clients, mut observers, mut movers) = (JoinSet::new(), JoinSet::new(), JoinSet::new());
        for (number, (tenant, _)) in self.tenants.iter().enumerate() {
            let random = |what| Random::new(seed, &format!("{what} {tenant}"));
            let (stage, tenant) = (Arc::clone(stage), tenant.clone());
            let client = Client {
                stage: Arc::clone(&stage),
                tenant: tenant.clone(),
                stores: self.stores.clone(),
                random: random("client"),
            };
            clients.spawn(async move { (number, client.run().await) });
            observers.spawn(observe(Arc::clone(&stage), tenant.clone()));
            if tenant != STILL {
                let random = random("moves");
                movers.spawn(async move { (number, move_back_and_forth(stage, tenant, random).await) });
            }
        }
        let on_call = tokio::spawn(replay_removals(Arc::clone(stage)));
        let mut injector = Injector::new(Arc::clone(stage), fleet, catalogue, seed);
        injector.run(options.faults).await?;
        stage.event("the last fault has struck");
        until_moves(stage, options.moves).await;
        stage.enough.cancel();
        let mut realms = vec!["us".to_owned(); self.tenants.len()];
        for (number, realm) in movers.join_all().await {
            realms[number] = realm;
        }
        until_at_rest(stage).await;
        stage.over.cancel();
        let mut journals = vec![Journal::new(); self.tenants.len()];
        for (number, journal) in clients.join_all().await {
            journals[number] = journal;
        }
        on_call.await.map_err(|error| Error::new("wait for who is on call", error))?;
        for (((tenant, seeded), realm), journal) in self.tenants.iter().zip(&realms).zip(&journals) {
            judge(stage, tenant, realm, seeded, journal, &self.stores).await?;
        }
        Ok(observers.join_all().await)
    }
}

async fn until_moves(stage: &Stage, least: usize) {
    while stage.total("move.") < least as u64 {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The binary to run: built beside this one, unless another is named.
fn named(options: &Options) -> Result<PathBuf, Error> {
    let beside = || std::env::current_exe().map(|own| own.with_file_name("realmctl"));
    let found = match &options.realmctl {
        Some(named) => named.clone(),
        None => beside().map_err(|error| Error::new("find this program's own folder", error))?,
    };
    if found.is_file() {
        Ok(found)
    } else {
        Err(Error::plain(format!("there is no {}: build it with `cargo build -p realmctl`", found.display())))
    }
}

fn report(stage: &Stage, seed: u64, seen: &[Seen]) -> Report {
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut longest_offline_ms = std::collections::BTreeMap::new();
    for (length, cause) in seen.iter().flat_map(|seen| &seen.offline) {
        let longest = longest_offline_ms.entry(cause.clone()).or_default();
        *longest = millis(*length).max(*longest);
    }
    if stage.total("fault.") == 0 || stage.total("write.acknowledged") == 0 || longest_offline_ms.is_empty() {
        stage.problem("nothing happened: no fault, no write or no move was seen".to_owned());
    }
    let disk_full = stage.counted("disk.");
    if !disk_full.is_empty() && !disk_full.contains_key("felt") {
        stage.problem("the disk was full, and no server found that it could not write".to_owned());
    }
    Report {
        seed,
        seconds: Instant::now().duration_since(stage.began).as_secs(),
        faults: stage.counted("fault."),
        moves: stage.counted("move."),
        rolled_back: stage.counted("rolled back."),
        cancels: stage.counted("cancel."),
        writes: stage.counted("write."),
        removals_replayed: stage.total("removal.replayed"),
        disk_full,
        ended_by_themselves: stage.total("ended by itself"),
        times_offline: seen.iter().map(|seen| seen.offline.len()).sum(),
        longest_offline_ms,
        latest_return_ms: seen.iter().map(|seen| millis(seen.latest)).max().unwrap_or_default(),
        problems: stage.problems(),
        logs: None,
    }
}
