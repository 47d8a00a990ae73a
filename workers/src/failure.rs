//! Turns what the AWS SDK reports into [`WorkError`]: the one place that knows error codes of stores.

use std::error::Error;
use std::fmt;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::error::WorkError;
use crate::host;
use crate::place::Place;

/// The code of a request that was signed too long ago, or in the future. The next attempt needs a permit read anew.
pub const REQUEST_TOO_OLD: &str = "request_too_old";

/// The code of a request that got no answer, or never left.
pub(crate) const UNREACHABLE: &str = "endpoint_unreachable";

/// The code of an answer that something between us and the store may have made: none of the store's own.
pub(crate) const GATEWAY: &str = "gateway_error";

/// The code of a success that can't be read. It may have been changed on the way, and if not, it is the same each time.
pub(crate) const UNREADABLE: &str = "answer_unreadable";

/// The code of what failed because there are no credentials to sign with.
pub(crate) const NO_CREDENTIALS: &str = "credentials_missing";

/// The code of an answer of a service with hooks that is not what the protocol says.
pub(crate) const BAD_ANSWER: &str = "hook_bad_answer";

/// Where a request went, in words for an error message.
#[derive(Debug, Clone)]
pub(crate) struct Site(String);

impl Site {
    pub(crate) fn of(place: &Place) -> Self {
        let (what, name, endpoint) = match place {
            Place::Dynamodb { table, endpoint, .. } => ("table", table, endpoint),
            Place::S3 { bucket, endpoint, .. } => ("bucket", bucket, endpoint),
            Place::Hooks { url, region, .. } => return Self(format!("the service at {url} (data in {region})")),
        };
        let endpoint = endpoint.as_deref().unwrap_or("AWS's own endpoint");
        Self(format!("{what} `{name}` in {} ({endpoint})", place.region()))
    }

    /// Maps a failed request. `doing` says which, as in "could not {doing} table …".
    pub(crate) fn failed<E>(&self, doing: &str, error: SdkError<E, HttpResponse>) -> WorkError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        match &error {
            SdkError::ServiceError(service) => {
                let status = service.raw().status().as_u16();
                if is_of_a_gateway(status, !service.err().code().unwrap_or_default().is_empty()) {
                    return self.of_a_gateway(doing, status).because(error);
                }
                if service.raw().status().is_success() && service.err().code().is_none() {
                    return self.unreadable(doing, status).because(error);
                }
                let refusal = Refusal {
                    status,
                    code: service.err().code().unwrap_or_default().to_owned(),
                    message: service.err().message().unwrap_or_default().to_owned(),
                };
                self.refused(doing, &refusal, error)
            }
            SdkError::ResponseError(response) => {
                let status = response.raw().status().as_u16();
                let message = format!("{self} answered a request to {doing} with something unreadable (HTTP {status})");
                // Whose it is can't be told, nor whether the store is done: it begins some answers while it still works.
                WorkError::retryable("store_error", message).unanswered().because(error)
            }
            _ if credentials_error(&error).is_some() => self.no_credentials(error),
            _ if is_untrusted(&error) && !host::has_authorities() => host::without_authorities().because(error),
            SdkError::ConstructionFailure(_) => {
                WorkError::permanent("store_error", format!("a request to {doing} {self} could not be built"))
                    .because(error)
            }
            _ => {
                if let Some(mine) = host::of_this_machine(&error) {
                    let mine = if never_left(&error) { mine } else { mine.unanswered() };
                    return mine.because(error);
                }
                let how = if matches!(error, SdkError::TimeoutError(_)) {
                    "did not answer in time"
                } else {
                    "could not be reached"
                };
                let message = format!("{self} {how} to {doing}: check the endpoint and the network");
                let failed = WorkError::retryable(UNREACHABLE, message);
                let failed = if never_left(&error) { failed } else { failed.unanswered() };
                failed.because(error)
            }
        }
    }

    /// A success that can't be read. Whose it is can't be told, so what was asked may still be done; and it may be the same each time,
    /// so that few ask again.
    fn unreadable(&self, doing: &str, status: u16) -> WorkError {
        let message = format!(
            "{self} answered a request to {doing} with HTTP {status}, and that can't be read: it has bytes that the protocol does not allow, or something on the way has changed it. Look with another client, and rewrite what has such bytes"
        );
        WorkError::permanent(UNREADABLE, message).unanswered()
    }

    /// Something answered a request in place of what it was sent to. `doing` as above.
    pub(crate) fn of_a_gateway(&self, doing: &str, status: u16) -> WorkError {
        let message = format!(
            "something between this process and {self} answered a request to {doing} with HTTP {status}: it may still be done. \
             Look at the gateway, proxy or load balancer on the way"
        );
        WorkError::retryable(GATEWAY, message).unanswered()
    }

    fn no_credentials(&self, error: impl Error + Send + Sync + 'static) -> WorkError {
        let failed = credentials_error(&error);
        let message = without_credentials(failed, &format!(" for {self}"));
        WorkError::unfit(NO_CREDENTIALS, message).because(error)
    }

    fn refused(&self, doing: &str, refusal: &Refusal, error: impl Error + Send + Sync + 'static) -> WorkError {
        let said = refusal.to_string();
        match refusal.kind() {
            Kind::Throttled => {
                WorkError::retryable("throttled", format!("{self} throttled a request to {doing}: {said}")).because(error)
            }
            Kind::NoTable => WorkError::permanent(
                "table_not_found",
                format!("{self} was not found: create it, or correct the topology"),
            )
            .because(error),
            Kind::NoBucket => WorkError::permanent(
                "bucket_not_found",
                format!("{self} was not found: create it, or correct the topology"),
            )
            .because(error),
            Kind::RequestAge => WorkError::retryable(
                REQUEST_TOO_OLD,
                format!(
                    "{self} refused a request to {doing} because of the time it was signed with: {said}. It is tried again with \
                     a fresh one; if that does not help, compare the clocks: requests are signed by that of the catalogue's database"
                ),
            )
            .because(error),
            Kind::Credentials => WorkError::unfit(
                "credentials_refused",
                format!("{self} refused the AWS credentials: {said}. Check the access key and its expiry"),
            )
            .because(error),
            Kind::Denied => WorkError::permanent(
                "access_denied",
                format!("the AWS identity in use may not {doing} {self}: {said}. Grant it the permission"),
            )
            .because(error),
            Kind::Server => {
                WorkError::retryable("store_error", format!("{self} failed to {doing}: {said}")).because(error)
            }
            // The store's words on a malformed request can quote values of an item, so they are left out.
            Kind::Other => WorkError::permanent(
                "store_error",
                format!("{self} refused a request to {doing}: {} (HTTP {})", refusal.code, refusal.status),
            ),
        }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether what is no success may have been answered by something on the way, which may have passed the request on and may yet
/// do so. The first are what gateways say of those behind them, and none of the stores' own (DynamoDB Developer Guide, "Error
/// handling"; S3 API Reference, "Error responses"). Of other failures of a server the store's own names its code. It is
/// an answer: what it stands for may have been done, but nothing of it is still to come.
pub(crate) fn is_of_a_gateway(status: u16, names_a_code: bool) -> bool {
    match status {
        408 | 421 | 499 | 502 | 504 | 520.. => true,
        500.. => !names_a_code,
        _ => false,
    }
}

/// Why there are no credentials, and what to do about it; `whom` as in "for table …", or nothing.
pub(crate) fn without_credentials(error: Option<&CredentialsError>, whom: &str) -> String {
    if matches!(error, Some(CredentialsError::CredentialsNotLoaded(_))) {
        return format!(
            "no AWS credentials were found{whom}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile, or give the \
             process a role"
        );
    }
    let cause = error.map(|error| format!(" ({})", innermost(error))).unwrap_or_default();
    format!(
        "the AWS credentials{whom} could not be loaded: the source they are configured to come from failed{cause}. Look at the variables and \
         the profile that this process was given (AWS_PROFILE, AWS_SHARED_CREDENTIALS_FILE), or at the role of its machine"
    )
}

/// The innermost cause of an error, in its own words.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

/// Whether no connection was made: the host's name was not found, nobody listened, the time to connect ran out, or TLS failed.
/// Then nothing of the request has left.
fn never_left(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(failed) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
            return failed.is_connect();
        }
        next = error.source();
    }
    false
}

/// Whether the certificate of what answered was not trusted.
fn is_untrusted(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        // An I/O error that wraps another names that one's source as its own.
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let found = wrapped.and_then(|inner| inner.downcast_ref()).or_else(|| error.downcast_ref());
        if let Some(rustls::Error::InvalidCertificate(_)) = found {
            return true;
        }
        next = wrapped.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source());
    }
    false
}

/// What a store answered instead of doing what it was asked.
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Throttled,
    NoTable,
    NoBucket,
    Credentials,
    RequestAge,
    Denied,
    Server,
    Other,
}

impl Refusal {
    /// By code first: some stores answer a throttled request with 400, others with 503.
    pub(crate) fn kind(&self) -> Kind {
        match self.code.as_str() {
            "ProvisionedThroughputExceededException"
            | "ThrottlingException"
            | "Throttling"
            | "RequestLimitExceeded"
            | "RequestThrottled"
            | "TooManyRequestsException"
            | "LimitExceededException"
            | "SlowDown" => Kind::Throttled,
            "ResourceNotFoundException" | "TableNotFoundException" => Kind::NoTable,
            "NoSuchBucket" => Kind::NoBucket,
            "RequestTimeTooSkewed" | "RequestExpired" => Kind::RequestAge,
            "InvalidSignatureException" | "SignatureDoesNotMatch" | "AccessDenied" if self.is_about_age() => {
                Kind::RequestAge
            }
            "UnrecognizedClientException"
            | "InvalidSignatureException"
            | "IncompleteSignatureException"
            | "MissingAuthenticationTokenException"
            | "MissingAuthenticationToken"
            | "InvalidClientTokenId"
            | "SignatureDoesNotMatch"
            | "InvalidAccessKeyId"
            | "InvalidToken"
            | "ExpiredToken"
            | "ExpiredTokenException" => Kind::Credentials,
            "AccessDenied" | "AccessDeniedException" | "AllAccessDisabled" | "AccountProblem" => Kind::Denied,
            _ if self.status == 429 => Kind::Throttled,
            _ if self.status >= 500 => Kind::Server,
            "" if self.status == 401 || self.status == 403 => Kind::Denied,
            _ => Kind::Other,
        }
    }
}

impl Refusal {
    /// Whether it is the time of the signature that is wrong: the codes for that also stand for other reasons.
    fn is_about_age(&self) -> bool {
        ["Signature expired", "Signature not yet current", "Request has expired"]
            .iter()
            .any(|begin| self.message.starts_with(begin))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code.as_str(), self.message.as_str()) {
            ("", _) => write!(f, "HTTP {}", self.status),
            (code, "") => write!(f, "{code} (HTTP {})", self.status),
            (code, message) => write!(f, "{code}: {}", message.trim_end_matches('.')),
        }
    }
}

fn credentials_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a CredentialsError> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: u16, code: &str) -> Kind {
        Refusal { status, code: code.to_owned(), message: String::new() }.kind()
    }

    #[test]
    fn codes_decide_before_status() {
        assert_eq!(kind(400, "ProvisionedThroughputExceededException"), Kind::Throttled);
        assert_eq!(kind(503, "SlowDown"), Kind::Throttled);
        assert_eq!(kind(400, "ResourceNotFoundException"), Kind::NoTable);
        assert_eq!(kind(404, "NoSuchBucket"), Kind::NoBucket);
        assert_eq!(kind(403, "SignatureDoesNotMatch"), Kind::Credentials);
        assert_eq!(kind(400, "AccessDeniedException"), Kind::Denied);
        assert_eq!(kind(403, ""), Kind::Denied);
        assert_eq!(kind(500, "InternalServerError"), Kind::Server);
        assert_eq!(kind(400, "ValidationException"), Kind::Other);
    }

    #[test]
    fn what_something_on_the_way_may_have_said_is_told_from_what_the_store_said() {
        for status in [408, 421, 499, 502, 504, 520, 524, 598, 599] {
            assert!(is_of_a_gateway(status, false) && is_of_a_gateway(status, true), "{status}");
        }
        for status in [500, 501, 503, 507] {
            assert!(is_of_a_gateway(status, false) && !is_of_a_gateway(status, true), "{status}");
        }
        for status in [301, 400, 403, 404, 409, 412, 413, 429] {
            assert!(!is_of_a_gateway(status, false), "{status}: it was refused, by whomever");
        }
    }

    #[test]
    fn a_wrong_signature_is_told_from_an_old_one() {
        let refusal = |status, code: &str, message: &str| {
            Refusal { status, code: code.to_owned(), message: message.to_owned() }.kind()
        };
        let said = |message: &str| refusal(400, "InvalidSignatureException", message);
        let old =
            "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z (20260101T001500Z - 5 min.)";
        assert_eq!(said(old), Kind::RequestAge);
        let wrong = "The request signature we calculated does not match the signature you provided.";
        assert_eq!(said(wrong), Kind::Credentials);
        assert_eq!(kind(403, "RequestTimeTooSkewed"), Kind::RequestAge);
        assert_eq!(refusal(403, "AccessDenied", "Request has expired"), Kind::RequestAge);
        assert_eq!(refusal(403, "AccessDenied", "Access Denied"), Kind::Denied);
    }
}
