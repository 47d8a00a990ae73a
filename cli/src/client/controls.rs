//! Calls that hold work back, let it go on, limit and explain it.

use reqwest::Method;
use serde::de::DeserializeOwned;
use server::api::{Change, Explained, LimitSet, LimitUnset, LimitView, LimitsView, PauseAnswer, PausesView};

use super::Client;
use crate::change_args::ChangeArgs;
use crate::exit::Failure;

impl Client {
    /// `pause`, `resume` or `retry` of one of `moves` or `removals`.
    pub(crate) async fn control<T: DeserializeOwned>(
        &self,
        resource: &str,
        verb: &str,
        asked: &ChangeArgs,
    ) -> Result<T, Failure> {
        self.post(&[resource, &asked.id, verb], &Change { reason: asked.reason.clone() }).await
    }

    /// `pause` or `resume` of a tenant.
    pub(crate) async fn control_tenant(&self, id: &str, verb: &str, change: &Change) -> Result<PauseAnswer, Failure> {
        self.post(&["tenants", id, verb], change).await
    }

    /// `pause` or `resume` of everything.
    pub(crate) async fn control_all(&self, verb: &str, change: &Change) -> Result<PauseAnswer, Failure> {
        self.post(&[verb], change).await
    }

    pub(crate) async fn pauses(&self) -> Result<PausesView, Failure> {
        self.get(&["pauses"], &[]).await
    }

    pub(crate) async fn explain(&self, id: &str) -> Result<Explained, Failure> {
        self.get(&["explain", id], &[]).await
    }

    pub(crate) async fn limits(&self) -> Result<LimitsView, Failure> {
        self.get(&["limits"], &[]).await
    }

    pub(crate) async fn set_limit(&self, limit: &LimitSet) -> Result<LimitView, Failure> {
        self.answer(self.request(Method::PUT, &["limits"], &[]).json(limit)).await
    }

    pub(crate) async fn unset_limit(&self, limit: &LimitUnset) -> Result<LimitsView, Failure> {
        self.answer(self.request(Method::DELETE, &["limits"], &[]).json(limit)).await
    }
}
