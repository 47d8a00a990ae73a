//! A campaign: many tenants moved to one realm, in waves, until too many moves have rolled back. `state_machine` runs it, `waves` decides
//! whose turn is next, `record_outcomes` records what became of the moves; its tenants are rows of the catalogue.

mod control;
mod create;
mod daily;
mod dry_run;
mod halt;
mod state_machine;
mod record_outcomes;
mod state;
mod view;
mod waves;

pub use control::{cancel_campaign, pause_campaign, resume_campaign};
pub(crate) use create::create_in;
pub use create::{CampaignRequest, CampaignStarted, Tenants, create_campaign};
pub use daily::{DailyWindow, InvalidDailyWindow};
pub use dry_run::{CampaignPlan, SkippedView, dry_run_campaign};
pub use state::{Allowance, CampaignOptions, CampaignStage, CampaignState, InvalidAllowance};
pub use state_machine::{Campaign, STATES};
pub use view::{CampaignView, MemberView, list_campaigns, list_members, view_campaign};
