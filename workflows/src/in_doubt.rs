//! Whether requests to a location are in doubt: whether one of a process that lost its task there, or one that got no answer, can still
//! act. A process that said it has stopped, or is proved dead, is not waited for; any other until no store accepts a
//! request that it may have signed: counted from when it lost its task, or from when the last request without an answer was signed. That is
//! counted by the database's clock, and so it ends only once that is known to agree with the store's.

use catalogue::location::{Address, Location};
use engine::tables::in_doubt_table;
use engine::tables::in_doubt_table::{InDoubtRequests, UNANSWERED};
use engine::{StepError, StepTx};
use store::Millis;

use crate::clock_checks::{self, CLOCKS_TO_AGREE};
use crate::data_tasks::{CompareTask, VerifyTask};
use crate::deployment::Deployment;
use crate::plan::Plan;
use crate::timestamps::utc;
use crate::timing::millis;

/// A location to which requests are in doubt.
#[derive(Debug)]
pub(crate) struct InDoubt {
    /// Since when the process that is waited for gets no permits, or when what got no answer was signed.
    pub(crate) since: Millis,
    /// Until when, at the latest.
    pub(crate) until: Millis,
    /// What is waited for, in words.
    pub(crate) reason: String,
}

/// Who has to be waited for at this location of the step's tenant, longest first; those that need not be are forgotten.
pub(crate) async fn in_doubt(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    service: &str,
    location: &Location,
) -> Result<Option<InDoubt>, StepError> {
    let tenant = step.record.subject.clone();
    let mut over: Vec<(Millis, InDoubtRequests)> = Vec::new();
    let mut last: Option<(Millis, InDoubtRequests)> = None;
    for requests in in_doubt_table::of(step.tx, &tenant, &location.key()).await? {
        let until = requests.since + accepted_for(deployment, location);
        let reads_only = [VerifyTask::KIND, CompareTask::KIND].contains(&requests.kind.as_str());
        if reads_only || deployment.liveness.is_dead(&requests.owner) {
            in_doubt_table::forget(step.tx, &requests.task, requests.fence).await?;
        } else if until <= step.now {
            over.push((until, requests));
        } else if last.as_ref().is_none_or(|(latest, _)| until > *latest) {
            last = Some((until, requests));
        }
    }
    if let Some((until, requests)) = last {
        return Ok(Some(still_accepted(service, location, until, &requests)));
    }
    let Some((until, since)) = over.iter().map(|(until, requests)| (*until, requests.since)).max() else {
        return Ok(None);
    };
    // So says the database's clock.
    if let Some(difference) = clock_checks::difference(deployment, step, std::iter::once(location)).await? {
        return Ok(Some(unanswered((service, location), (since, until), &difference)));
    }
    for (_, requests) in over {
        in_doubt_table::forget(step.tx, &requests.task, requests.fence).await?;
    }
    Ok(None)
}

fn still_accepted(service: &str, location: &Location, until: Millis, requests: &InDoubtRequests) -> InDoubt {
    let (at, until_when, since) = (&location.name, utc(until), utc(requests.since));
    let why = if requests.kind == UNANSWERED {
        format!("a request got no answer and may still act: the last such was signed at {since}")
    } else {
        let owner = &requests.owner;
        format!("process {owner} lost its work there at {since}, without a proof that it has stopped")
    };
    let reason = format!(
        "in-doubt requests to {service} at {at} to expire, until {until_when}: {why}, and the store still accepts what was signed"
    );
    InDoubt { since: requests.since, until, reason }
}

/// The wait is over by the database's clock, which is not right.
fn unanswered(
    (service, location): (&str, &Location),
    (since, waited_until): (Millis, Millis),
    difference: &str,
) -> InDoubt {
    let (at, waited_until) = (&location.name, utc(waited_until));
    let reason = format!(
        "{CLOCKS_TO_AGREE}{service} at {at} should have no in-doubt requests since {waited_until}, by the clock of the catalogue's database, which can't be relied on: {difference}"
    );
    // When that is put right nobody knows.
    InDoubt { since, until: Millis::MAX, reason }
}

/// The same for every location that the plan adds to: the one that takes longest.
pub(crate) async fn in_doubt_target(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    plan: &Plan,
) -> Result<Option<InDoubt>, StepError> {
    let mut last: Option<InDoubt> = None;
    for service in &plan.services {
        for target in &service.add {
            let found = in_doubt(deployment, step, &service.service, target).await?;
            last = found.into_iter().chain(last).max_by_key(|in_doubt| in_doubt.until);
        }
    }
    Ok(last)
}

/// How long after its process has lost its task, or after it was signed, a request may be accepted: its signature's life, clocks apart, and
/// a lease: for the transaction that took the task away to end, and for what the comparison of the clocks can't see (seconds).
fn accepted_for(deployment: &Deployment, location: &Location) -> Millis {
    let timing = &deployment.timing;
    let life = match location.address {
        Address::Dynamodb { .. } => timing.signed_request_ttl_dynamodb,
        Address::S3 { .. } => timing.signed_request_ttl_s3,
        Address::Hooks { .. } => timing.signed_request_ttl_hooks,
    };
    millis(life + timing.max_clock_skew + timing.lease)
}
