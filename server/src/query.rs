//! Reading a request's query: unknown and repeated parameters are refused; empty ones count as absent.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use catalogue::tenant_id::TenantId;
use serde::de::DeserializeOwned;

use crate::body::words;
use crate::problem::ApiError;

/// The parameters after the `?`.
pub(crate) struct Params<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(params)| Self(params))
            .map_err(|rejection| ApiError::invalid("invalid_query", in_words(&rejection.body_text())))
    }
}

/// What the extractor says is a sentence of its own, then the parameter if it is known which, then the parser's words.
fn in_words(said: &str) -> String {
    let said = said.strip_prefix("Failed to deserialize query string: ").unwrap_or(said);
    let (name, message) = said.split_once(": ").filter(|(name, _)| !name.contains([' ', '`'])).unwrap_or((".", said));
    words::problem(name, message).replace(" is no field; ", " is no parameter; ")
}

/// A filter by tenant, whose id must at least be one.
pub(crate) fn tenant_filter(given: Option<String>) -> Result<Option<String>, ApiError> {
    let Some(id) = present(given) else { return Ok(None) };
    let id: TenantId = id.parse().map_err(|error| invalid_tenant_id(&error))?;
    Ok(Some(id.into()))
}

/// A filter by state, which must be one of `known`: a typing error would look like an empty list.
pub(crate) fn state_filter(given: Option<String>, known: &[&str]) -> Result<Option<String>, ApiError> {
    let Some(state) = present(given) else { return Ok(None) };
    if known.contains(&state.as_str()) {
        return Ok(Some(state));
    }
    Err(ApiError::invalid("unknown_state", format!("there is no such state; states are {}", known.join(", "))))
}

pub(crate) fn invalid_tenant_id(error: &catalogue::tenant_id::InvalidTenantId) -> ApiError {
    ApiError::invalid("invalid_tenant_id", error.to_string())
}

/// The parameter, unless it is empty.
pub(crate) fn present(given: Option<String>) -> Option<String> {
    given.filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Of {
        limit: Option<u32>,
        state: Option<String>,
        all: Option<bool>,
    }

    #[test]
    fn what_is_wrong_with_a_query_is_told_in_plain_words() {
        for (query, expected) in [
            ("limit=x", "`limit` must be a whole number"),
            ("limit=-1", "`limit` must be a whole number"),
            ("limit=5000000000", "`limit` is too large a number"),
            ("all=yes", "`all` must be true or false"),
            ("stat=x", "`stat` is no parameter; there are `limit`, `state`, `all`"),
            ("state=x&state=y", "`state` is given more than once"),
        ] {
            let uri = format!("http://localhost/v1/moves?{query}").parse().unwrap();
            let rejection = Query::<Of>::try_from_uri(&uri).map(|Query(read)| read).unwrap_err();
            assert_eq!(in_words(&rejection.body_text()), expected, "{query}");
        }
    }
}
