//! Two people for one action. A policy says which actions wait until another person has approved exactly what was asked for.
//!
//! What is asked for is kept whole, with its hash, and never changes. Approving it carries it out, in the same transaction: a process
//! that is killed leaves it waiting or done, and nothing in between. Whether it could be carried out is tried when it is asked for, in
//! a transaction that is rolled back, so that nobody waits for what would be refused.

mod action;
mod ask;
mod asker;
mod carry_out;
mod content;
mod decide;
mod policy;
mod request;
mod shown;
#[cfg(test)]
mod tests;

pub use action::Action;
pub use ask::{ask_for_token, ask_if_needed};
pub use asker::Asker;
pub use carry_out::Outcome;
pub use content::Content;
pub use decide::{approve, decline};
pub use policy::{Policy, policy, policy_tag, set_policy_if};
pub use request::{Approval, ApprovalState, count_pending, find_approval, list_approvals};
