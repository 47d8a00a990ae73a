//! Who asks for a change, and why, for the audit trail: whose token it is, and whom the request names besides.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use workflows::actor::Actor;

use crate::api::USER_HEADER;
use crate::principal::Principal;
use crate::problem::ApiError;
use crate::query::present;

const USER_MAX: usize = 64;

/// Most characters of a reason.
const REASON_MAX: usize = 1000;

/// The caller of a change.
pub(crate) struct Caller {
    who: String,
    origin: String,
}

impl Caller {
    /// The caller with the reason given.
    pub(crate) fn because(self, reason: Option<String>) -> Result<Actor, ApiError> {
        let why = present(reason).unwrap_or_default();
        if why.chars().count() > REASON_MAX
            || why.chars().any(|letter| letter.is_control() && letter != '\n' && letter != '\t')
        {
            let detail = format!("a reason is at most {REASON_MAX} characters of text without control characters");
            return Err(ApiError::invalid("invalid_reason", detail));
        }
        Ok(Actor { who: self.who, why, origin: self.origin })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let principal = Principal::from_request_parts(parts, state).await?;
        let named = named(&parts.headers)?;
        Ok(Self { who: principal.who(named), origin: principal.origin })
    }
}

/// Whom the request names. Not proved: a token tells who may ask.
pub(crate) fn named(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(given) = headers.get(USER_HEADER) else { return Ok(None) };
    let name = given.as_bytes();
    let printable = name.iter().all(|byte| (b' '..=b'~').contains(byte));
    if (1..=USER_MAX).contains(&name.len()) && printable {
        return Ok(Some(name.iter().map(|byte| char::from(*byte)).collect()));
    }
    let detail = format!("{USER_HEADER} is 1 to {USER_MAX} printable ASCII characters");
    Err(ApiError::invalid("invalid_user", detail))
}
