//! Calls about tokens.

use reqwest::Method;
use server::api::{Change, Page, TokenView};

use super::{Client, Query};
use crate::exit::Failure;

impl Client {
    pub(crate) async fn tokens(&self, query: Query<'_>) -> Result<Page<TokenView>, Failure> {
        self.get(&["tokens"], query).await
    }

    /// By its id or its name.
    pub(crate) async fn revoke_token(&self, token: &str, change: &Change) -> Result<TokenView, Failure> {
        self.answer(self.request(Method::DELETE, &["tokens", token], &[]).json(change)).await
    }
}
