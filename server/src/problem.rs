//! Every error that the API answers with, as a problem document (RFC 9457), and where each one is logged: here and once.
//!
//! What a caller did wrong is told to the caller in full. What went wrong in here is told to the log; the caller gets a name
//! (`instance`) to ask about.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use engine::{CATALOGUE_UNAVAILABLE, Ids, RandomIds};
use store::StoreError;
use tracing::{error, warn};
use workflows::error_codes;
use workflows::refusal::Refusal;

use crate::api::{PROBLEM_JSON, Problem, TopologyProblem};

/// Seconds after which a caller may try again when the catalogue, or a place, may soon be free.
const RETRY_AFTER_S: u16 = 1;

/// Codes of refusals of what is of the right form in each part.
const CONTRADICTIONS: [&str; 3] = ["invalid_budget", "invalid_expiry", "invalid_window"];

/// The code of the refusal of a change that was asked for on another state of things.
const PRECONDITION: &str = "precondition_failed";

/// An error as an answer.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    detail: String,
    instance: Option<String>,
    problems: Vec<TopologyProblem>,
    /// After how long to try again, if not after the usual second.
    retry_after: Option<Duration>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), instance: None, problems: Vec::new(), retry_after: None }
    }

    pub(crate) fn invalid(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    pub(crate) fn unauthorized(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, detail)
    }

    /// Each part of the request is of the right form, and together they make no sense.
    pub(crate) fn contradictory(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    pub(crate) fn not_found(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// Something in here went wrong. The log gets the chain of causes; the caller gets a name for it.
    pub(crate) fn internal(cause: &StoreError) -> Self {
        let instance = format!("urn:uuid:{}", RandomIds.next());
        error!(instance, error = cause.chain(), "a request failed inside the server");
        let detail = "the server failed; its log says why under this instance";
        Self { instance: Some(instance), ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", detail) }
    }

    /// Whoever asked may try again after this long.
    pub(crate) fn retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    pub(crate) fn into_problem(self) -> Problem {
        let title = self.code.replace('_', " ");
        Problem {
            kind: format!("urn:realmctl:problem:{}", self.code),
            title,
            status: self.status.as_u16(),
            detail: self.detail,
            code: self.code.to_owned(),
            instance: self.instance,
            next_step: error_codes::find(self.code).map(|code| code.next_step),
            problems: self.problems,
        }
    }
}

/// The code of an answer that is a problem, for those who look at answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProblemCode(pub(crate) &'static str);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code) = (self.status, ProblemCode(self.code));
        let may_try_again = self.retry_after.is_some()
            || matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
        let wait = self.retry_after.map_or(RETRY_AFTER_S, |wait| wait.as_secs_f64().ceil().max(1.0) as u16);
        let mut response = (status, Json(self.into_problem())).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if may_try_again {
            headers.insert(header::RETRY_AFTER, wait.into());
        }
        response.extensions_mut().insert(code);
        response
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::NotFound { code, .. } => Self::new(StatusCode::NOT_FOUND, code, detail),
            Refusal::Conflict { code: PRECONDITION, .. } => {
                Self::new(StatusCode::PRECONDITION_FAILED, PRECONDITION, detail)
            }
            Refusal::Conflict { code, .. } => Self::new(StatusCode::CONFLICT, code, detail),
            Refusal::Invalid { code, .. } if CONTRADICTIONS.contains(&code) => Self::contradictory(code, detail),
            Refusal::Invalid { code, .. } => Self::new(StatusCode::BAD_REQUEST, code, detail),
            Refusal::Topology(problems) => {
                let problems = problems.into_iter().map(shown).collect();
                Self { problems, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "topology_refused", detail) }
            }
            Refusal::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => {
                warn!(error = error.chain(), "the catalogue is not available");
                let detail = format!(
                    "{error}. If this was a change, whether it was made is not known: repeat the same request, which is safe"
                );
                Self::new(StatusCode::SERVICE_UNAVAILABLE, CATALOGUE_UNAVAILABLE, detail)
            }
            StoreError::Duplicate(_) => {
                let detail = "another request did the same at the same moment: repeat yours to see what came of it";
                Self::new(StatusCode::CONFLICT, "conflict", detail)
            }
            other => Self::internal(&other),
        }
    }
}

fn shown(problem: catalogue::topology::Problem) -> TopologyProblem {
    TopologyProblem { line: problem.line, path: problem.path, reason: problem.reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_wrong_inside_is_not_told_to_the_caller() {
        let problem = ApiError::from(StoreError::Corrupt("column secret".to_owned())).into_problem();
        assert_eq!((problem.status, problem.code.as_str()), (500, "internal_error"));
        assert!(problem.instance.is_some_and(|name| name.starts_with("urn:uuid:")));
        assert!(!problem.detail.contains("secret"));
    }
}
