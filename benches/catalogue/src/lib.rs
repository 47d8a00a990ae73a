//! How long what people do with the catalogue takes, with few tenants and with very many.
//!
//! One database is filled up from size to size, straight by SQL, and each operation is timed at each size. The regions are embedded
//! ones without data: nothing is moved.

mod campaigns;
mod creations;
mod figures;
mod fill;
mod lists;
mod moves;
mod process;
mod stage;
mod topology;
mod waiting;

use std::fmt::Display;

use bench_engine::Database;
use serde::Serialize;
use store::StoreError;

pub use figures::{Figure, Unit};

use figures::Figures;
use stage::Stage;

/// What to measure.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where, as in [`bench_engine::Settings`].
    pub stores: Vec<String>,
    /// How many tenants there are, one size after the other.
    pub tenants: Vec<u64>,
    /// Measurements of each operation; the median counts.
    pub runs: usize,
    /// Removals that wait for capacity in the last measurement.
    pub waiting: usize,
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
    /// The sizes, in ascending order.
    pub tenants: Vec<u64>,
    /// One for each operation.
    pub figures: Vec<Figure>,
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
    let mut tenants = settings.tenants.clone();
    tenants.sort_unstable();
    let stage = Stage::new(database).await?;
    let mut figures = Figures::default();
    let mut filled = 0;
    for &size in &tenants {
        say(&format!("{}: {size} tenants are made", database.name()));
        fill::fill(&stage, filled, size).await?;
        database.settle().await?;
        filled = size;
        say(&format!("{}: {size} tenants are measured", database.name()));
        figures.begin();
        Box::pin(at_this_size(&stage, settings, size, &mut figures)).await?;
    }
    let durability = database.durability().await?;
    Ok(StoreReport { store: database.name(), durability, tenants, figures: figures.into_list() })
}

async fn at_this_size(stage: &Stage, settings: &Settings, size: u64, figures: &mut Figures) -> Result<(), Error> {
    topology::measure(stage, settings.runs, figures).await?;
    creations::measure(stage, settings.runs, figures).await?;
    moves::measure(stage, settings.runs, size, figures).await?;
    lists::measure(stage, settings.runs, size, figures).await?;
    campaigns::measure(stage, figures).await?;
    waiting::measure(stage, (settings.runs, settings.waiting), figures).await
}
