//! Pages of lists. A cursor is the id of the last item seen; to callers it is opaque.

use crate::api::{LIMIT_DEFAULT, LIMIT_MAX, Page};
use crate::path::is_id;
use crate::problem::ApiError;
use crate::query::present;

/// Which page is asked for.
pub(crate) struct Window {
    /// Items beyond this id.
    pub(crate) cursor: Option<String>,
    limit: i64,
}

impl Window {
    /// Checks what the query said.
    pub(crate) fn new(cursor: Option<String>, limit: Option<&str>) -> Result<Self, ApiError> {
        let limit = limit.map_or(Ok(LIMIT_DEFAULT), str::parse).ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
        let limit = limit.ok_or_else(|| {
            ApiError::invalid("invalid_limit", format!("limit is a whole number from 1 to {LIMIT_MAX}"))
        })?;
        let cursor = present(cursor);
        if cursor.as_deref().is_some_and(|cursor| !is_id(cursor)) {
            return Err(ApiError::invalid("invalid_cursor", "cursor is the nextCursor of the page before"));
        }
        Ok(Self { cursor, limit })
    }

    /// How many items to fetch: one more than is shown, to know whether there is another page.
    pub(crate) fn fetch(&self) -> i64 {
        self.limit + 1
    }

    /// The page, from what was fetched.
    pub(crate) fn page<T>(&self, mut items: Vec<T>, id: impl Fn(&T) -> &str) -> Page<T> {
        let limit = usize::try_from(self.limit).expect("it was checked to be from 1 to LIMIT_MAX");
        let more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = items.last().filter(|_| more).map(|last| id(last).to_owned());
        Page { items, next_cursor }
    }
}
