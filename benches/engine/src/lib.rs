//! How fast the engine runs five-step workflows with full durability, beside a bare loop of the same statements.
//!
//! Each measurement of the engine is followed by one of the bare loop, so that a busy neighbour hits both.

mod bare;
mod database;
mod finished;
mod five_steps;
mod rate;
mod source;
mod summary;
mod through_engine;

use std::time::Duration;

use serde::Serialize;
use store::StoreError;

pub use database::Database;
pub use finished::ClaimPages;
pub use summary::{Spread, median_ratio};

use rate::Load;

/// What to measure.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where: `postgres://…` (a database of its own is made there and dropped), or `sqlite:PATH` (a file of its own is made
    /// in that folder and deleted).
    pub stores: Vec<String>,
    /// Workflows in flight.
    pub in_flight: Vec<usize>,
    /// Measurements of each; the median counts.
    pub runs: usize,
    /// How long each measurement takes.
    pub measured: Duration,
    /// If not 0: also how much a claim reads with this many finished workflows in the table (Postgres only).
    pub finished: u64,
}

/// How steps are committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Commits {
    /// Each step has a commit of its own.
    Own,
    /// Steps that end together share one.
    Shared,
}

/// What was measured.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// One for each store.
    pub stores: Vec<StoreReport>,
}

/// What was measured on one store.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreReport {
    /// `sqlite` or `postgres`.
    pub store: &'static str,
    /// What the database says about its durability.
    pub durability: String,
    /// The rates.
    pub rates: Vec<Rate>,
    /// How much a claim reads, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claims: Option<ClaimPages>,
}

/// Five-step workflows a second, start to end.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rate {
    /// Workflows in flight all the time.
    pub in_flight: usize,
    /// How steps are committed.
    pub commits: Commits,
    /// Through the engine.
    pub engine: Spread,
    /// By the bare loop.
    pub bare: Spread,
    /// Median of engine / bare of the pairs.
    pub ratio: f64,
}

/// Why it could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database refused, or can't be reached.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The same, while the database was made ready.
    #[error("the database can't be made ready for the measurement: {0}")]
    Database(#[from] sqlx::Error),
    /// No file can be made.
    #[error("no file for the measurement can be made: {0}")]
    File(#[from] std::io::Error),
    /// A bug.
    #[error("a bug: a part of the measurement panicked")]
    Panicked,
}

/// What is not counted at the beginning of a measurement, at most.
const WARM_UP: Duration = Duration::from_millis(300);

/// Measures; `say` is told what goes on.
pub async fn run(settings: &Settings, say: impl Fn(&str)) -> Result<Report, Error> {
    let mut stores = Vec::new();
    for url in &settings.stores {
        let database = Database::create(url).await?;
        let measured = measure(&database, settings, &say).await;
        // Also after a failure: nothing is left behind.
        let dropped = database.destroy().await;
        stores.push(measured?);
        dropped?;
    }
    Ok(Report { stores })
}

async fn measure(database: &Database, settings: &Settings, say: &impl Fn(&str)) -> Result<StoreReport, Error> {
    let (store, name) = (&database.store, database.name());
    let mut rates = Vec::new();
    for commits in [Commits::Own, Commits::Shared] {
        for &in_flight in &settings.in_flight {
            let warm_up = WARM_UP.min(settings.measured / 2);
            let load = Load { in_flight, commits, warm_up, measured: settings.measured };
            let (mut engine, mut bare) = (Vec::new(), Vec::new());
            for run in 1..=settings.runs {
                say(&format!("{name}, {in_flight} in flight, {commits:?} commits: run {run} of {}", settings.runs));
                engine.push(through_engine::measure(store, &load).await?);
                database.clear().await?;
                bare.push(bare::measure(store, &load).await?);
                database.clear().await?;
            }
            let ratio = summary::median_ratio(&engine, &bare);
            rates.push(Rate { in_flight, commits, engine: Spread::of(engine), bare: Spread::of(bare), ratio });
        }
    }
    let durability = database.durability().await?;
    let claims = if settings.finished > 0 { finished::measure(database, settings.finished, say).await? } else { None };
    Ok(StoreReport { store: name, durability, rates, claims })
}
