//! Calls about the sessions of people.

use reqwest::Method;
use server::api::{Change, Page, SessionView, SessionsEnded};

use super::{Client, Query};
use crate::exit::Failure;

impl Client {
    pub(crate) async fn sessions(&self, query: Query<'_>) -> Result<Page<SessionView>, Failure> {
        self.get(&["sessions"], query).await
    }

    /// By its id, or all of a person by the name or the subject.
    pub(crate) async fn revoke_sessions(&self, which: &str, change: &Change) -> Result<SessionsEnded, Failure> {
        self.answer(self.request(Method::DELETE, &["sessions", which], &[]).json(change)).await
    }
}
