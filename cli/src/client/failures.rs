//! Failures of requests in words.

use reqwest::StatusCode;
use server::api::Problem;

use super::versions::Difference;
use crate::exit::{Exit, Failure};

/// The failure, with a word on the server's version if that explains it.
pub(super) fn explained(differs: Option<Difference>, failure: Failure) -> Failure {
    match differs {
        Some(difference) => difference.explain(failure),
        None => failure,
    }
}

/// The innermost cause of a failed request: the outer ones only say that it failed, and repeat the URL.
pub(super) fn innermost(error: &reqwest::Error) -> String {
    let mut found: Option<&dyn std::error::Error> = None;
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        found = Some(cause);
        next = cause.source();
    }
    found.map_or_else(|| "the request failed".to_owned(), ToString::to_string)
}

/// What the server's refusal means here.
pub(super) fn refused(status: StatusCode, problem: &Problem) -> Failure {
    let exit =
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS { Exit::Failed } else { Exit::Refused };
    let mut message = problem.detail.clone();
    for problem in &problem.problems {
        message.push_str("\n  ");
        message.push_str(&mistake(problem.line, &problem.path, &problem.reason));
    }
    if let Some(instance) = &problem.instance {
        message.push_str(&format!(" (in the server's log: {instance})"));
    }
    Failure::new(exit, problem.code.clone(), message)
}

/// One mistake in a topology file, in a line.
pub(crate) fn mistake(line: Option<u64>, path: &str, reason: &str) -> String {
    let line = line.map(|line| format!("line {line}: ")).unwrap_or_default();
    let path = if path.is_empty() { String::new() } else { format!("{path}: ") };
    format!("{line}{path}{reason}")
}
