//! Sends one signed request to a service, and says what its answer means. No redirect is followed and no proxy used: what is
//! called is what the topology says.

use std::error::Error;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, Response, StatusCode, Url};
use tokio::time::Instant;

use super::protocol::Refused;
use super::secrets::HookSecrets;
use super::signing::{Signed, delivery_id, timestamp};
use crate::error::WorkError;
use crate::failure::{REQUEST_TOO_OLD, Site, UNREACHABLE, is_of_a_gateway};
use crate::host;
use crate::settings::Settings;
use crate::store_clocks::{ClockOf, Clocks};

/// No answer of the protocol is longer.
const MOST_BYTES: usize = 64 << 10;
/// What a service says is shown so far, in characters.
const MOST_SHOWN: usize = 300;

/// What a service answered when it did not refuse.
#[derive(Debug)]
pub(super) enum Answer {
    /// It is done: the body.
    Done(Vec<u8>),
    /// 202: it is at it.
    Working,
}

/// One request.
pub(super) struct Request<'a> {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) body: Vec<u8>,
    /// The name of the secret.
    pub(super) secret: Option<&'a str>,
    /// What it is signed with.
    pub(super) at: SystemTime,
    /// Whose clock its answer tells.
    pub(super) clock: &'a ClockOf,
}

/// The client of all services with hooks. Makes its connections when first used.
pub(crate) struct HookClient {
    secrets: HookSecrets,
    connect_timeout: std::time::Duration,
    attempt_timeout: std::time::Duration,
    /// One for while nobody can be trusted, and one for once somebody can.
    http: [OnceLock<reqwest::Client>; 2],
    clocks: Arc<Clocks>,
}

impl HookClient {
    pub(crate) fn new(settings: &Settings, clocks: Arc<Clocks>) -> Self {
        Self {
            secrets: settings.hook_secrets.clone(),
            connect_timeout: settings.connect_timeout,
            attempt_timeout: settings.attempt_timeout,
            http: Default::default(),
            clocks,
        }
    }

    /// Tries once.
    pub(super) async fn send(&self, site: &Site, request: Request<'_>) -> Result<Answer, WorkError> {
        let key = self.secrets.named(request.secret).map_err(|name| {
            let message = format!(
                "there is no secret `{name}` to sign requests to {site} with: name it in the file of --hook-secret-file"
            );
            WorkError::unfit("hook_secret_missing", message)
        })?;
        let Request { method, url, body, at, clock, .. } = request;
        let hook = url.path().rsplit('/').next().unwrap_or_default().to_owned();
        let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let (timestamp, delivery) = (timestamp(at), delivery_id());
        let signed = Signed { method: method.as_str(), path: &path, body: &body, timestamp, delivery: &delivery };
        let signature = signed.signature(key);
        if url.scheme() == "https" && !host::has_authorities() {
            return Err(host::without_authorities());
        }
        let mut sending = self
            .http()?
            .request(method, url)
            .header("realmctl-timestamp", timestamp.to_string())
            .header("realmctl-delivery", &delivery)
            .header("realmctl-signature", signature);
        if !body.is_empty() {
            sending = sending.header(CONTENT_TYPE, "application/json").body(body);
        }
        tracing::debug!(%site, hook, delivery, "calling a service");
        let unreachable = |error: reqwest::Error| {
            if let Some(why) = distrust(&error) {
                return untrusted(site, &hook, &why).because(error.without_url());
            }
            if let Some(mine) = host::of_this_machine(&error) {
                let mine = if error.is_connect() { mine } else { mine.unanswered() };
                return mine.because(error.without_url());
            }
            let how = if error.is_timeout() { "did not answer in time" } else { "could not be reached" };
            let message = format!("{site} {how} for /{hook}: check the service, its address and the network");
            let failed = WorkError::retryable(UNREACHABLE, message);
            // Without a connection nothing of the request has left.
            let failed = if error.is_connect() { failed } else { failed.unanswered() };
            failed.because(error.without_url())
        };
        let sent = Instant::now();
        let answer = sending.send().await.map_err(unreachable)?;
        let status = answer.status();
        self.note_date(clock, sent, &answer);
        let body = read(answer).await.map_err(unreachable)?;
        match status {
            StatusCode::ACCEPTED => Ok(Answer::Working),
            _ if status.is_success() => Ok(Answer::Done(body)),
            _ => Err(refused(site, &hook, status, &body)),
        }
    }

    fn note_date(&self, clock: &ClockOf, sent: Instant, answer: &Response) {
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
        self.clocks.answered(clock, sent, answer.status().as_u16(), header);
    }

    fn http(&self) -> Result<&reqwest::Client, WorkError> {
        let trusts = host::has_authorities();
        let made = &self.http[usize::from(trusts)];
        if let Some(http) = made.get() {
            return Ok(http);
        }
        // Another crate of this process may have installed the same provider: either serves.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .connect_timeout(self.connect_timeout)
            .timeout(self.attempt_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            // A connection that was kept and has been closed there would look like a request without an answer.
            .pool_max_idle_per_host(0)
            .user_agent("realmctl");
        let client = if trusts { client } else { client.tls_backend_preconfigured(trusts_nobody()) };
        // It reads the authorities anew, for which there may be no more files.
        let built = client
            .build()
            .map_err(|error| host::of_this_machine(&error).unwrap_or_else(host::without_authorities).because(error))?;
        Ok(made.get_or_init(|| built))
    }
}

/// For a machine without any authority, on which plain HTTP goes on.
pub(super) fn trusts_nobody() -> rustls::ClientConfig {
    rustls::ClientConfig::builder().with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth()
}

/// Why the service's certificate was not taken, if that was it: then nothing of the request was sent.
pub(super) fn distrust(error: &reqwest::Error) -> Option<String> {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        // An I/O error that wraps another names that one's source as its own.
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let found = wrapped.and_then(|inner| inner.downcast_ref()).or_else(|| error.downcast_ref());
        if let Some(why @ rustls::Error::InvalidCertificate(_)) = found {
            return Some(why.to_string());
        }
        next = wrapped.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source());
    }
    None
}

fn untrusted(site: &Site, hook: &str, why: &str) -> WorkError {
    let message = format!(
        "{site} showed a certificate for /{hook} that is not trusted ({why}), and was told nothing. Give it one for that host by an authority that \
         this machine trusts; one of your own has to be among this machine's, or in the file that SSL_CERT_FILE names, which then takes \
         their place"
    );
    WorkError::permanent("hook_certificate_refused", message)
}

/// The body, cut where no answer of the protocol goes on.
async fn read(mut answer: Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await? {
        body.extend_from_slice(&piece);
        if body.len() >= MOST_BYTES {
            body.truncate(MOST_BYTES);
            break;
        }
    }
    Ok(body)
}

fn refused(site: &Site, hook: &str, status: StatusCode, body: &[u8]) -> WorkError {
    let said: Option<Refused> = serde_json::from_slice(body).ok();
    if is_of_a_gateway(status.as_u16(), said.as_ref().is_some_and(Refused::says_something)) {
        return site.of_a_gateway(&format!("call /{hook} of"), status.as_u16());
    }
    let said = said.unwrap_or_default();
    let reason = match shown(&said.reason) {
        reason if reason.is_empty() => format!("HTTP {}", status.as_u16()),
        reason => reason,
    };
    let asked = format!("{site} answered /{hook}");
    if status == StatusCode::TOO_MANY_REQUESTS {
        return WorkError::retryable("throttled", format!("{asked} with too many requests: {reason}"));
    }
    if status.is_server_error() {
        return WorkError::retryable("hook_unavailable", format!("{asked} with a failure of its own: {reason}"));
    }
    if said.code == REQUEST_TOO_OLD {
        let message = format!(
            "{site} refused /{hook} because of the time it was signed with: {reason}. It is tried again with a fresh one; if that does \
             not help, compare the clocks: writes are signed by the clock of the catalogue's database, reads by this machine's"
        );
        return WorkError::retryable(REQUEST_TOO_OLD, message);
    }
    if status.is_redirection() {
        let message = format!("{asked} with a redirect, and none is followed: put its real address into the topology");
        return WorkError::permanent("hook_redirected", message);
    }
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        let message = format!(
            "{site} did not take the signature of /{hook}: {reason}. Compare the secret there with the one of --hook-secret-file, and see \
             that nothing between rewrites the path or the body"
        );
        return WorkError::permanent("hook_signature_refused", message);
    }
    if said.code == "stale_generation" {
        let message =
            format!("{site} has heard of a later generation of this location than /{hook} was about: {reason}");
        return WorkError::permanent("hook_stale_generation", message);
    }
    WorkError::permanent("hook_refused", format!("{site} refuses /{hook}: {reason}"))
}

/// What a service said, fit to be shown.
pub(super) fn shown(said: &str) -> String {
    let cut: String = said.trim().chars().take(MOST_SHOWN).collect();
    cut.escape_debug().to_string().replace("\\'", "'").replace("\\\"", "\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Treatment;
    use crate::place::Place;

    fn of(status: u16, body: &str) -> (Treatment, &'static str, String) {
        let error = failed(status, body);
        (error.treatment, error.code, error.message)
    }

    fn failed(status: u16, body: &str) -> WorkError {
        let place = Place::Hooks {
            region: "eu-west-1".to_owned(),
            url: "https://editor.example".to_owned(),
            secret: None,
            longest: std::time::Duration::from_secs(1),
        };
        refused(&Site::of(&place), "start", StatusCode::from_u16(status).unwrap(), body.as_bytes())
    }

    #[test]
    fn what_may_pass_is_told_from_what_may_not() {
        use Treatment::{Permanent, Retryable};
        for (status, treatment, code) in [
            (500, Retryable, "gateway_error"),
            (502, Retryable, "gateway_error"),
            (503, Retryable, "gateway_error"),
            (429, Retryable, "throttled"),
            (302, Permanent, "hook_redirected"),
            (308, Permanent, "hook_redirected"),
            (401, Permanent, "hook_signature_refused"),
            (403, Permanent, "hook_signature_refused"),
            (400, Permanent, "hook_refused"),
            (404, Permanent, "hook_refused"),
            (409, Permanent, "hook_refused"),
        ] {
            let (said, named, _) = of(status, "<html>");
            assert_eq!((said, named), (treatment, code), "{status}");
        }
        for (status, unanswered) in [(500, false), (503, false), (502, true), (504, true)] {
            let error = failed(status, r#"{"code":"busy","reason":"restarting"}"#);
            assert_eq!(error.unanswered, unanswered, "{status}: {error}");
        }
        assert_eq!(of(503, r#"{"reason":"restarting"}"#).1, "hook_unavailable");
        assert_eq!(of(401, r#"{"code":"request_too_old"}"#).1, "request_too_old");
        assert_eq!(of(409, r#"{"code":"stale_generation"}"#).1, "hook_stale_generation");
    }

    #[test]
    fn the_reason_is_shown_cut_and_escaped() {
        let (_, _, message) = of(409, r#"{"reason":"a \"legal hold\"\u001b[31m until May"}"#);
        assert!(message.ends_with(r#"refuses /start: a "legal hold"\u{1b}[31m until May"#), "{message}");
        let long = format!(r#"{{"reason":"{}"}}"#, "x".repeat(5000));
        assert!(of(409, &long).2.len() < 500);
    }
}
