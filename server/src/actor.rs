//! Who asks for a change, and why. Recorded as given: a token tells who may ask, not who does.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use workflows::actor::Actor;

use crate::api::USER_HEADER;
use crate::problem::ApiError;
use crate::query::present;

const USER_MAX: usize = 64;

/// Most bytes of a reason.
const REASON_MAX: usize = 1000;

/// The caller, as the request names it.
pub(crate) struct Caller(String);

impl Caller {
    /// The caller with the reason given.
    pub(crate) fn because(self, reason: Option<String>) -> Result<Actor, ApiError> {
        let why = present(reason).unwrap_or_default();
        if why.len() > REASON_MAX || why.chars().any(|letter| letter.is_control() && letter != '\n' && letter != '\t') {
            let detail = format!("a reason is at most {REASON_MAX} bytes of text without control characters");
            return Err(ApiError::invalid("invalid_reason", detail));
        }
        Ok(Actor { who: self.0, why })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let Some(given) = parts.headers.get(USER_HEADER) else { return Ok(Self("anonymous".to_owned())) };
        let name = given.as_bytes();
        let printable = name.iter().all(|byte| (b' '..=b'~').contains(byte));
        if (1..=USER_MAX).contains(&name.len()) && printable {
            return Ok(Self(name.iter().map(|byte| char::from(*byte)).collect()));
        }
        let detail = format!("{USER_HEADER} is 1 to {USER_MAX} printable ASCII characters");
        Err(ApiError::invalid("invalid_user", detail))
    }
}
