//! Calls about approvals, and what is said when a change has to wait for one.

use reqwest::Method;
use server::api::{
    ApprovalNeeded, ApprovalPolicyView, ApprovalView, Approve, Change, CreatedToken, NewToken, Page, SetApprovalPolicy,
    TokenAwaitsApproval,
};

use super::{Client, Query};
use crate::exit::{Exit, Failure};

/// A token, or what it waits for.
pub(crate) enum NewTokenAnswer {
    Created(Box<CreatedToken>),
    Waits(Box<TokenAwaitsApproval>),
}

impl Client {
    pub(crate) async fn create_token(&self, new: &NewToken) -> Result<NewTokenAnswer, Failure> {
        let response = self.send(self.request(Method::POST, &["tokens"], &[]).json(new)).await?;
        if response.status() == reqwest::StatusCode::ACCEPTED {
            return self.read_any(response).await.map(|waits| NewTokenAnswer::Waits(Box::new(waits)));
        }
        self.read(response).await.map(|created| NewTokenAnswer::Created(Box::new(created)))
    }

    pub(crate) async fn approvals(&self, query: Query<'_>) -> Result<Page<ApprovalView>, Failure> {
        self.get(&["approvals"], query).await
    }

    pub(crate) async fn approval(&self, id: &str) -> Result<ApprovalView, Failure> {
        self.get(&["approvals", id], &[]).await
    }

    pub(crate) async fn approve(&self, id: &str, approve: &Approve) -> Result<ApprovalView, Failure> {
        self.post(&["approvals", id, "approve"], approve).await
    }

    pub(crate) async fn decline(&self, id: &str, change: &Change) -> Result<ApprovalView, Failure> {
        self.post(&["approvals", id, "decline"], change).await
    }

    pub(crate) async fn approval_policy(&self) -> Result<ApprovalPolicyView, Failure> {
        self.get(&["approval-policy"], &[]).await
    }

    pub(crate) async fn set_approval_policy(&self, policy: &SetApprovalPolicy) -> Result<ApprovalPolicyView, Failure> {
        self.answer(self.request(Method::PUT, &["approval-policy"], &[]).json(policy)).await
    }
}

/// What was asked for has not been done: a script must not go on as if it had.
pub(super) fn waits(needed: &ApprovalNeeded) -> Failure {
    let ApprovalView { id, hash, expires_at, .. } = &needed.approval;
    let message = format!(
        "not done yet: this takes two people, and waits until {} for another one to approve it with `realmctl approvals approve {id} --hash {hash}`",
        crate::format::time(expires_at)
    );
    Failure::new(Exit::Refused, "waits_for_approval", message)
}
