//! What the parts of one table share in this process: how it is paced, and what it says about itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::pacing::{Pacer, Pacers};
use crate::bounded_retry::BoundedRetry;
use crate::error::WorkError;
use crate::heartbeat::Heartbeat;
use crate::limits::{Kind, Limits, RateLimiter};
use crate::place::Place;
use crate::tables::{TableApi, TableFacts};

/// How long a description serves the parts that are opened after it: the parts of a move are opened together, and DynamoDB
/// limits how often a table may be described.
const LATELY: Duration = Duration::from_secs(10);

/// How new a table's description has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Described {
    /// Made for this.
    Now,
    /// Some seconds old at most: for work that others have looked into before.
    Lately,
    /// Asked for after this: what was read before it is judged by it.
    Since(Instant),
}

/// One for each table; as many as the topology has.
pub(crate) struct DescriptionCache {
    /// Writes to the table, whatever the part.
    writes: Arc<Pacer>,
    /// Where writes and reads wait for what is allowed.
    limiters: [RateLimiter; 2],
    parts: Mutex<HashMap<u32, Pacers>>,
    /// Held while it is described, so that parts opened together wait for one answer.
    facts: tokio::sync::Mutex<Option<(Instant, TableFacts)>>,
}

impl DescriptionCache {
    pub(crate) fn new(limits: &Arc<Limits>, place: &Place) -> Self {
        let limiters = [Kind::Writes, Kind::Reads].map(|kind| limits.limiter(place, kind));
        Self { writes: Arc::new(Pacer::new()), limiters, parts: Mutex::default(), facts: tokio::sync::Mutex::default() }
    }

    pub(super) fn pacers(&self, part: u32) -> Pacers {
        let mut parts = self.parts.lock().expect("no holder of this lock panics");
        parts.entry(part).or_insert_with(|| Pacers::new(Arc::clone(&self.writes), &self.limiters)).clone()
    }

    /// The table's description; an answer that is lost is asked for again up to `attempts` times.
    pub(super) async fn facts(
        &self,
        table: &dyn TableApi,
        described: Described,
        attempts: u32,
    ) -> Result<TableFacts, WorkError> {
        if described == Described::Now {
            return describe(table, attempts).await;
        }
        let mut kept = self.facts.lock().await;
        let is_new = |at: Instant| match described {
            Described::Since(since) => at >= since,
            _ => at.elapsed() < LATELY,
        };
        if let Some((at, facts)) = &*kept
            && is_new(*at)
        {
            return Ok(facts.clone());
        }
        let asked = Instant::now();
        let facts = describe(table, attempts).await?;
        *kept = Some((asked, facts.clone()));
        Ok(facts)
    }
}

async fn describe(table: &dyn TableApi, attempts: u32) -> Result<TableFacts, WorkError> {
    let heartbeat = Heartbeat::unheard();
    let mut retry = BoundedRetry::new(attempts, &heartbeat);
    loop {
        match table.describe().await {
            Ok(facts) => return Ok(facts),
            Err(why) => retry.wait(why).await?,
        }
    }
}
