//! How fast the API answers, beside bare handlers that run the same statements and do nothing else: no tokens, no permissions, no bounds.
//! And what sealing the audit trail costs those who start moves.
//!
//! Server and bare handlers stand on the same database, take turns, and are asked by the same client in the same process, so that a busy
//! neighbour hits both.

mod bare;
mod load;
mod requests;
mod sealing;
mod stage;

use std::fmt::Display;

use bench_engine::{Database, Spread};
use serde::Serialize;
use store::StoreError;

pub use load::Load;
pub use sealing::Sealing;

use load::Operation;
use stage::Stage;

/// What to measure.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where, as in [`bench_engine::Settings`].
    pub stores: Vec<String>,
    /// How many tenants there are.
    pub tenants: usize,
    /// How many of them have a move.
    pub moves: usize,
    /// Requests at the same time.
    pub at_once: Vec<usize>,
    /// Requests of each measurement.
    pub requests: usize,
    /// Measurements of each; the median counts.
    pub runs: usize,
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
    /// How many tenants there are.
    pub tenants: usize,
    /// How many moves.
    pub moves: usize,
    /// One for each operation and number of requests at the same time.
    pub operations: Vec<Measured>,
    /// Moves started a second, with the audit trail being sealed and without.
    pub sealing: Sealing,
}

/// One operation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Measured {
    /// What was asked for.
    pub operation: &'static str,
    /// Requests at the same time.
    pub at_once: usize,
    /// The API.
    pub api: Load,
    /// The bare handler.
    pub bare: Load,
    /// Of the rates, the API's divided by the bare handler's.
    pub ratio: f64,
}

/// Why it could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database refused, or can't be reached.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The same, while it was made ready or put away.
    #[error(transparent)]
    Database(#[from] bench_engine::Error),
    /// What is measured did not do what it should.
    #[error("a part of the measurement failed: {0}")]
    Part(String),
}

impl Error {
    fn part(error: &(impl Display + ?Sized)) -> Self {
        Self::Part(error.to_string())
    }
}

/// Measures; `say` is told what goes on.
pub async fn run(settings: &Settings, say: impl Fn(&str)) -> Result<Report, Error> {
    let mut stores = Vec::new();
    for url in &settings.stores {
        let database = Database::create(url).await?;
        let measured = Box::pin(measure(&database, settings, &say)).await;
        // Also after a failure: nothing is left behind.
        let dropped = database.destroy().await;
        stores.push(measured?);
        dropped?;
    }
    Ok(Report { stores })
}

async fn measure(database: &Database, settings: &Settings, say: &impl Fn(&str)) -> Result<StoreReport, Error> {
    say(&format!("{}: {} tenants and {} moves are made", database.name(), settings.tenants, settings.moves));
    let stage = Stage::new(database, settings).await?;
    let mut operations = Vec::new();
    for operation in Operation::ALL {
        for &at_once in &settings.at_once {
            say(&format!("{}: {}, {at_once} at once", database.name(), operation.name()));
            operations.push(compare(&stage, operation, at_once, settings).await?);
        }
    }
    say(&format!("{}: moves are started, and the audit trail is sealed", database.name()));
    let sealing = sealing::measure(&stage, settings).await?;
    let durability = database.durability().await?;
    stage.stop().await;
    let (tenants, moves) = (settings.tenants, settings.moves);
    Ok(StoreReport { store: database.name(), durability, tenants, moves, operations, sealing })
}

async fn compare(stage: &Stage, operation: Operation, at_once: usize, settings: &Settings) -> Result<Measured, Error> {
    let (mut api, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..settings.runs {
        api.push(load::run(stage, &stage.api, operation, at_once, settings.requests).await?);
        bare.push(load::run(stage, &stage.bare, operation, at_once, settings.requests).await?);
    }
    let (api, bare) = (Load::median(&api), Load::median(&bare));
    let ratio = api.rate / bare.rate;
    Ok(Measured { operation: operation.name(), at_once, api, bare, ratio })
}

fn median(values: Vec<f64>) -> f64 {
    Spread::of(values).median
}
