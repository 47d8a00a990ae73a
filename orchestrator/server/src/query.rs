//! Reading a request's query: unknown and repeated parameters are refused; empty ones count as absent.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use catalogue::tenant_id::TenantId;
use serde::de::DeserializeOwned;

use crate::problem::ApiError;

/// The parameters after the `?`.
pub(crate) struct Params<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(params)| Self(params))
            .map_err(|rejection| ApiError::invalid("invalid_query", rejection.body_text()))
    }
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
