//! Whether a location is quiet: no request of a process that lost its task there, and none that got no answer, can still
//! arrive. A process that said it has stopped, or is proved dead, is not waited for; any other until no store accepts a
//! request that it may have signed.

use catalogue::location::{Address, Location};
use engine::straggler_table::{self, Straggler, UNANSWERED};
use engine::{StepError, StepTx};
use store::Millis;

use crate::data_tasks::{CompareTask, VerifyTask};
use crate::deployment::Deployment;
use crate::plan::Plan;
use crate::timestamps::rfc3339;
use crate::timing::millis;

/// A location that is not quiet yet.
#[derive(Debug)]
pub(crate) struct Unquiet {
    /// Since when the process that is waited for gets no permits.
    pub(crate) since: Millis,
    /// When it is, at the latest.
    pub(crate) until: Millis,
    /// What is waited for, in words.
    pub(crate) reason: String,
}

/// Who has to be waited for at this location of the step's tenant, longest first; those that need not be are forgotten.
pub(crate) async fn unquiet(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    service: &str,
    location: &Location,
) -> Result<Option<Unquiet>, StepError> {
    let tenant = step.record.subject.clone();
    let mut last: Option<(Millis, Straggler)> = None;
    for straggler in straggler_table::of(step.tx, &tenant, &location.key()).await? {
        let until = straggler.since + accepted_for(deployment, location);
        let harmless = [VerifyTask::KIND, CompareTask::KIND].contains(&straggler.kind.as_str()) || until <= step.now;
        if harmless || deployment.liveness.is_dead(&straggler.owner) {
            straggler_table::forget(step.tx, &straggler.task, straggler.fence).await?;
        } else if last.as_ref().is_none_or(|(latest, _)| until > *latest) {
            last = Some((until, straggler));
        }
    }
    Ok(last.map(|(until, straggler)| {
        let why = if straggler.kind == UNANSWERED {
            "a request got no answer and may still arrive".to_owned()
        } else {
            format!("process {} lost its work there without a proof that it has stopped", straggler.owner)
        };
        let (at, until_when) = (&location.name, rfc3339(until));
        let reason = format!(
            "{service} at {at} to be quiet, until {until_when}: {why}, and the store still accepts what was signed"
        );
        Unquiet { since: straggler.since, until, reason }
    }))
}

/// The same for every location that the plan adds to: the one that takes longest.
pub(crate) async fn unquiet_target(
    deployment: &Deployment,
    step: &mut StepTx<'_>,
    plan: &Plan,
) -> Result<Option<Unquiet>, StepError> {
    let mut last: Option<Unquiet> = None;
    for service in &plan.services {
        for target in &service.add {
            let found = unquiet(deployment, step, &service.service, target).await?;
            last = found.into_iter().chain(last).max_by_key(|unquiet| unquiet.until);
        }
    }
    Ok(last)
}

/// How long after its process has lost its task a request may be accepted: its signature's life, clocks apart, and a lease for
/// the transaction that took the task away to end.
fn accepted_for(deployment: &Deployment, location: &Location) -> Millis {
    let timing = &deployment.timing;
    let life = match location.address {
        Address::Dynamodb { .. } => timing.permit_life_dynamodb,
        Address::S3 { .. } => timing.permit_life_s3,
        Address::Hooks { .. } => timing.permit_life_hooks,
    };
    millis(life + timing.skew + timing.lease)
}
