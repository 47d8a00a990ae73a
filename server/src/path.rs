//! The id in a request's path.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

use crate::problem::ApiError;

/// Longer than any id.
const ID_MAX: usize = 128;

/// The `{id}` of the path. Text that can't be an id is not looked up: Postgres, for one, refuses a NUL.
pub(crate) struct Id(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let id = Path::<String>::from_request_parts(parts, state).await.map(|Path(id)| id).unwrap_or_default();
        if is_id(&id) {
            Ok(Self(id))
        } else {
            Err(ApiError::not_found("unknown_id", "nothing has an id like the one in the path"))
        }
    }
}

/// Whether the text may be an id of anything.
pub(crate) fn is_id(text: &str) -> bool {
    (1..=ID_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}
