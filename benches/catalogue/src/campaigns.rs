//! What a campaign that moves a whole realm would do.

use std::time::Duration;

use engine::Priority;
use workflows::campaign::{Allowance, CampaignOptions, CampaignRequest, Tenants, dry_run_campaign};

use crate::Error;
use crate::figures::{Figures, Unit, milliseconds};
use crate::process::Peak;
use crate::stage::{REALMS, Stage};

/// Nobody waits for it longer than this.
const PATIENCE: Duration = Duration::from_secs(180);

pub(crate) async fn measure(stage: &Stage, figures: &mut Figures) -> Result<(), Error> {
    let [(from, _), (to, _)] = REALMS;
    let request = CampaignRequest {
        to: to.to_owned(),
        tenants: Tenants::OfRealm { realm: from.to_owned(), limit: None },
        options: CampaignOptions {
            wave_size: 1_000,
            wave_pause_ms: 0,
            at_once: 100,
            max_failures: Allowance::Percent(10),
            window: None,
            budget_ms: None,
            priority: Priority::Normal,
        },
        idempotency_key: None,
    };
    let peak = Peak::begin()?;
    let begun = std::time::Instant::now();
    let planned = tokio::time::timeout(PATIENCE, dry_run_campaign(&stage.deployment, &request)).await;
    let planned = planned.ok().and_then(Result::ok);
    let took = milliseconds(begun.elapsed());
    let name = "campaign planned (dry run), a whole realm";
    figures.note(name, Unit::Milliseconds, planned.as_ref().map(|_| took));
    let each = planned.map(|planned| took * 1_000.0 / planned.total as f64);
    figures.note(name, Unit::MicrosecondsPerTenant, each);
    figures.note(name, Unit::Mebibytes, Some(peak.grown_mib()?));
    Ok(())
}
