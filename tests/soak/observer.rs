//! A reader that looks at a tenant all the time: how long it is offline, what struck meanwhile, and whether anybody was late to
//! bring it back.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

use crate::api::Request;
use crate::stage::Stage;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(150);

/// How late a lapse may be settled while the catalogue and a process are in order. A process that is paused, or cut off without
/// a word, in the middle of a transaction holds the tenant's row until Postgres ends its session, after 3 s (`store`'s
/// `idle_in_transaction_session_timeout`); then an interval of the sweep, and what a machine that is busy with everything at
/// once may take.
pub(crate) const LATE: Duration = Duration::from_secs(3 + 9);

/// What one reader has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Each time offline: how long, and the last fault that struck meanwhile.
    pub(crate) offline: Vec<(Duration, String)>,
    /// The longest that a lapsed tenant was still offline, counted from when somebody could have brought it back.
    pub(crate) latest: Duration,
}

/// Looks until the run is over.
pub(crate) async fn observe(stage: Arc<Stage>, tenant: String) -> Seen {
    let mut seen = Seen::default();
    // Since when it is offline, and at which epoch.
    let mut offline: Option<(Instant, i64)> = None;
    let mut last_epoch = 0;
    let path = format!("tenants/{tenant}");
    while !stage.over.is_cancelled() {
        tokio::time::sleep(LOOK).await;
        let (asked, clock) = (Instant::now(), SystemTime::now());
        let Some(answer) = stage.api.ask_once(&Request::get(&path)).await else { continue };
        let epoch = answer.body["epoch"].as_i64().unwrap_or_default();
        if epoch < last_epoch {
            stage.problem(format!("the epoch of {tenant} went from {last_epoch} back to {epoch}"));
        }
        last_epoch = epoch;
        let moving = answer.text("status") == "moving";
        if let Some((since, at_epoch)) = offline
            && (!moving || epoch != at_epoch)
        {
            let length = since.elapsed();
            seen.offline.push((length, stage.fault_within(length)));
            offline = None;
        }
        if moving {
            offline = offline.or(Some((asked, epoch)));
            let late = lateness(&stage, answer.text("leaseUntil"), asked, clock);
            if late > LATE && seen.latest <= LATE {
                stage.problem(format!("{tenant} was not brought back {late:?} after its lease had lapsed"));
            }
            seen.latest = seen.latest.max(late);
        }
    }
    seen
}

/// How long ago, when the question was asked, somebody could have brought the tenant back.
fn lateness(stage: &Stage, lease_until: &str, asked: Instant, clock: SystemTime) -> Duration {
    let Ok(until) = lease_until.parse::<Timestamp>() else { return Duration::ZERO };
    let Some(in_order_since) = stage.health.since() else { return Duration::ZERO };
    let now = clock.duration_since(UNIX_EPOCH).unwrap_or_default();
    let until = Duration::from_millis(u64::try_from(until.as_millisecond()).unwrap_or_default());
    now.saturating_sub(until).min(asked.saturating_duration_since(in_order_since))
}
