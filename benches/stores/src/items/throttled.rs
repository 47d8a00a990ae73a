//! The copy against a store with a hidden ceiling that changes in the middle, beside plain exponential waits, with a
//! bystander's writes to the same table.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client as Sdk;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use testkit::fault_proxies::throttle::{Counts, Key, Limits, Place, Settings as FrontSettings, Throttle};
use testkit::region::{dynamodb_client, dynamodb_client_at};
use testkit::{Ports, Region, Storage, fixtures};
use tokio::task::JoinSet;
use tokio::time::sleep;
use workers::Verification;

use super::{INDEX, INDEX_KEY, TABLE, backoff, mover};
use crate::job::{Addresses, Job};
use crate::{Error, SOURCE_REGION, TARGET_REGION, TENANT};

/// Not counted at the beginning, and not after the change when the two sides of it are told apart.
const RAMP_UP: Duration = Duration::from_secs(15);
/// What the front counts in: whatever begins or ends within one is counted with it.
const WINDOW: Duration = Duration::from_millis(100);
/// The share of its own partition that the bystander uses.
const BYSTANDER_SHARE: f64 = 0.2;
const BYSTANDER: &str = "beside";
const BYSTANDER_KEY: &str = "AKIDBYSTANDER";

/// What is played.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Index shards, one run each.
    pub shards: Vec<u32>,
    /// How long each run takes; the ceiling changes in the middle.
    pub time: Duration,
    /// Which ceilings are drawn.
    pub seed: u64,
}

/// What was seen with one number of shards.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Index shards.
    pub shards: u32,
    /// Write units a second of each shard, before and after the change.
    pub ceilings: [f64; 2],
    /// By the movers.
    pub paced: Kept,
    /// By plain exponential waits.
    pub backoff: Kept,
}

/// How close to the ceiling a copy came.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// Of the ceiling, after the ramp-up.
    pub used: f64,
    /// Until the change.
    pub used_before: f64,
    /// From the change on, after another ramp-up.
    pub used_after: f64,
    /// Units a second, after the ramp-up.
    pub units_per_second: f64,
    /// Of the requests, after the ramp-up, the share that was throttled, wholly or in part.
    pub throttled: f64,
    /// The same while the ramp-up lasted.
    pub throttled_in_ramp_up: f64,
    /// The same of the bystander's, all the time.
    pub bystander_throttled: f64,
}

/// Plays all runs; `say` is told what goes on.
///
/// # Errors
/// When a part of it fails.
pub async fn run(settings: &Settings, say: impl Fn(&str)) -> Result<Vec<Run>, Error> {
    let mut runs = Vec::new();
    for (n, shards) in (0..).zip(&settings.shards) {
        let ceilings = ceilings(settings.seed + n);
        say(&format!("{shards} shards, seed {}: the movers", settings.seed + n));
        let by_movers = |job: Job| async move { mover::copy(&job, Verification::Off, true).await.map(drop) };
        let paced = play(settings, *shards, ceilings, by_movers).await?;
        say(&format!("{shards} shards, seed {}: exponential waits", settings.seed + n));
        let by_waits = |job: Job| async move { backoff::copy(&job).await.map(drop) };
        let backoff = play(settings, *shards, ceilings, by_waits).await?;
        runs.push(Run { shards: *shards, ceilings, paced, backoff });
    }
    Ok(runs)
}

/// Between 300 and 1,000 units a second, which is what a partition of AWS takes; and the same again afterwards.
fn ceilings(seed: u64) -> [f64; 2] {
    let bits = bits(seed);
    let unit = |byte: usize| f64::from(bits[byte]) / 255.0;
    [300.0 + 700.0 * unit(0), 300.0 + 700.0 * unit(1)].map(f64::round)
}

/// Bits that depend on the seed (splitmix64).
fn bits(seed: u64) -> [u8; 8] {
    let mut bits = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (bits ^ (bits >> 31)).to_le_bytes()
}

fn limits(write: f64) -> Limits {
    Limits { write, ..Limits::AWS }
}

async fn play<F>(settings: &Settings, shards: u32, ceilings: [f64; 2], copy: fn(Job) -> F) -> Result<Kept, Error>
where
    F: Future<Output = Result<(), Error>> + Send + 'static,
{
    let part = |error: testkit::Error| Error::part(&error);
    let from = Region::start(SOURCE_REGION, Storage::Memory, Ports::Any).map_err(part)?;
    let to = Region::start(TARGET_REGION, Storage::Memory, Ports::Any).map_err(part)?;
    for region in [&from, &to] {
        fixtures::create_table(&dynamodb_client(region), TABLE, INDEX, INDEX_KEY).await.map_err(part)?;
    }
    let most = ceilings[0].max(ceilings[1]) * f64::from(shards) * settings.time.as_secs_f64() * 1.1;
    fixtures::import_items(&from, TABLE, INDEX_KEY, TENANT, shards, most as usize + 5_000, 1).map_err(part)?;
    let front = FrontSettings { index: limits(ceilings[0]), full: false, window: WINDOW, ..FrontSettings::default() };
    let front = Arc::new(Throttle::before(&to, front).map_err(part)?);
    let regions = Addresses { from: from.dynamodb_endpoint().to_owned(), to: front.endpoint().to_owned() };
    let job = Job { regions, target: TABLE.to_owned(), parts: shards };
    let mut tasks = JoinSet::new();
    tasks.spawn(bystander(front.endpoint().to_owned(), ceilings[0] * BYSTANDER_SHARE));
    let begun = front.now();
    tasks.spawn(copy(job));
    let half = settings.time / 2;
    let ramp_up = RAMP_UP.min(half / 2);
    let ended = tokio::select! {
        ended = tasks.join_next() => ended,
        () = async {
            sleep(ramp_up / 3).await;
            front.empty_bursts();
            sleep(ramp_up - ramp_up / 3).await;
            // What was saved while the copy ramped up is no part of the ceiling that is measured.
            front.limit_index(TABLE, INDEX, limits(ceilings[0]).without_burst());
            sleep(half - ramp_up).await;
            front.limit_index(TABLE, INDEX, limits(ceilings[1]).without_burst());
            sleep(half).await;
        } => None,
    };
    if let Some(ended) = ended {
        ended.map_err(|_| Error::part("a part of it panicked"))??;
        return Err(Error::part("the copy ended before the time was over: it was given too few items"));
    }
    tasks.shutdown().await;
    let end = settings.time - WINDOW;
    let [start, change, end] = [ramp_up, half, end].map(|after| begun + after);
    Ok(Seen { front: &front, shards, ceilings }.kept(begun, [start, change, change + ramp_up, end]))
}

/// What the front has counted.
struct Seen<'a> {
    front: &'a Throttle,
    shards: u32,
    ceilings: [f64; 2],
}

impl Seen<'_> {
    fn kept(&self, begun: Duration, [start, change, settled, end]: [Duration; 4]) -> Kept {
        let [before, after] = self.ceilings;
        let could =
            |from: Duration, to: Duration, ceiling: f64| (to - from).as_secs_f64() * ceiling * f64::from(self.shards);
        let units = self.units(start, end);
        Kept {
            used: units / (could(start, change, before) + could(change, end, after)),
            used_before: self.units(start, change) / could(start, change, before),
            used_after: self.units(settled, end) / could(settled, end, after),
            units_per_second: units / (end - start).as_secs_f64(),
            throttled: self.requests(start, end, false).throttled_share(),
            throttled_in_ramp_up: self.requests(begun, start, false).throttled_share(),
            bystander_throttled: self.requests(begun, end, true).throttled_share(),
        }
    }

    fn units(&self, from: Duration, to: Duration) -> f64 {
        self.front.sum(from..to, |key| key.is_of_tenant(TENANT)).write_units
    }

    fn requests(&self, from: Duration, to: Duration, bystander: bool) -> Counts {
        let wanted = |key: &Key| key.place == Place::Table && (&*key.caller == BYSTANDER_KEY) == bystander;
        self.front.sum(from..to, wanted)
    }
}

/// Writes one small item after the other at a steady rate, and never again what was refused.
async fn bystander(endpoint: String, per_second: f64) -> Result<(), Error> {
    let client = dynamodb_client_at(TARGET_REGION, &endpoint);
    let credentials = aws_sdk_dynamodb::config::Credentials::new(BYSTANDER_KEY, "secret", None, None, "bench");
    let config = client.config().to_builder().credentials_provider(credentials).retry_config(RetryConfig::disabled());
    let client = Sdk::from_conf(config.build());
    let start = Instant::now();
    for n in 0_u32.. {
        let due = start + Duration::from_secs_f64(f64::from(n) / per_second);
        sleep(due.saturating_duration_since(Instant::now())).await;
        let text = |text: String| AttributeValue::S(text);
        let request = client
            .put_item()
            .table_name(TABLE)
            .item("pk", text(format!("{BYSTANDER}/{n}")))
            .item("sk", text("s".to_owned()))
            .item(INDEX_KEY, text(format!("{BYSTANDER}#0")));
        // A refusal is counted by the front.
        drop(request.send().await);
    }
    Ok(())
}
