//! The campaign as the engine runs it. It touches no tenant: it starts moves, looks what became of them, and counts.

use async_trait::async_trait;
use catalogue::campaigns::{self, MemberState};
use engine::{Next, OnFailure, StepError, StepTx, Treatment, Workflow, WorkflowRecord};
use store::Millis;

use super::halt::{halt, too_many_failed};
use super::state::{CampaignStage, CampaignState};
use crate::campaign::{record_outcomes, waves};
use crate::deployment::Deployment;
use crate::timing::millis;

/// The workflow that moves many tenants.
pub struct Campaign {
    deployment: Deployment,
}

impl Campaign {
    /// The workflow on this deployment.
    pub fn new(deployment: Deployment) -> Self {
        Self { deployment }
    }
}

/// All states.
pub const STATES: [&str; 7] = ["running", "resting", "paused", "halted", "cancelling", "completed", "cancelled"];

/// What the row of a campaign names where others name their tenant, because it has many. Never the id of one.
pub(super) fn subject(id: &str) -> String {
    format!("campaign:{id}")
}

/// A campaign of which nothing runs is looked at this often, in milliseconds: only a person can change that.
const IDLE_MS: Millis = 3_600_000;

#[async_trait]
impl Workflow for Campaign {
    type State = CampaignState;
    type Seen = ();

    const KIND: &'static str = "campaign";

    fn name(state: &CampaignState) -> &'static str {
        state.stage.name()
    }

    fn may_follow(from: &str, to: &str) -> bool {
        let successors: &[&str] = match from {
            "running" => &["resting", "paused", "halted", "cancelling", "completed"],
            "resting" => &["running", "paused", "halted", "cancelling"],
            "paused" | "halted" => &["running", "cancelling"],
            "cancelling" => &["cancelled"],
            _ => &[],
        };
        successors.contains(&to)
    }

    fn is_final(name: &str) -> bool {
        matches!(name, "completed" | "cancelled")
    }

    async fn observe(&self, _: &WorkflowRecord, _: &CampaignState) -> Result<(), StepError> {
        Ok(())
    }

    async fn advance(
        &self,
        step: &mut StepTx<'_>,
        state: CampaignState,
        (): (),
    ) -> Result<Next<CampaignState>, StepError> {
        record_outcomes::record_ended(step, &state).await?;
        let counts = campaigns::counts(step.tx, &step.record.id).await?;
        let look = step.now + millis(self.deployment.timing.look_again());
        let running = counts.of(MemberState::Running) > 0;
        let working = matches!(state.stage, CampaignStage::Running | CampaignStage::Resting { .. });
        if working && let Some(error) = too_many_failed(&state, &counts) {
            return halt(step, state, error).await;
        }
        match state.stage.clone() {
            CampaignStage::Running => waves::advance(&self.deployment, step, state, &counts, look).await,
            CampaignStage::Resting { until } if step.now < until => Ok(Next::Stay(state, until)),
            CampaignStage::Resting { .. } => Ok(waves::next_wave(state)),
            CampaignStage::Cancelling { by } if !running => {
                Ok(Next::Go(state.at_stage(CampaignStage::Cancelled { by }), String::new()))
            }
            _ => Ok(Next::Stay(state, if running { look } else { step.now + IDLE_MS })),
        }
    }

    async fn ended(&self, _: &mut StepTx<'_>, _: &CampaignState) -> Result<(), StepError> {
        Ok(())
    }

    /// A step that fails for good halts the campaign: its moves are not touched. What may pass is tried again for as long as it
    /// lasts, and so is a step that only counts: it changes nothing but the campaign's own rows.
    fn on_failure(&self, state: &CampaignState, error: &StepError, _: u32) -> OnFailure<CampaignState> {
        let may_pass = error.treatment == Treatment::Retryable;
        match state.stage {
            CampaignStage::Running | CampaignStage::Resting { .. } if !may_pass => {
                OnFailure::Go(state.clone().at_stage(CampaignStage::Halted { error: error.stored() }))
            }
            _ => OnFailure::Retry,
        }
    }
}
