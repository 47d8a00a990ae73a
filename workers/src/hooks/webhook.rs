//! Sends one signed event to a webhook, and says what its answer means. Signed as requests to services are; no redirect is followed, no
//! proxy used, and nothing of the answer's body is kept.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Response, Url};

use super::client::{distrust, trusts_nobody};
use super::secrets::HookSecrets;
use super::signing::{Signed, delivery_id, timestamp};
use crate::host;

/// How long an attempt may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// An event for a webhook.
#[derive(Debug, Clone, Copy)]
pub struct WebhookRequest<'a> {
    /// Where.
    pub url: &'a str,
    /// The name of the secret, unless it is `default`.
    pub secret: Option<&'a str>,
    /// The same for each attempt.
    pub id: &'a str,
    /// The type of the event.
    pub event: &'a str,
    /// The number that it is ordered by.
    pub seq: i64,
    /// What is sent.
    pub body: &'a str,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookAnswer {
    /// What it was answered with, if it was.
    pub status: Option<u16>,
    /// Why it failed, if it did.
    pub error: Option<&'static str>,
    /// How long the receiver wants not to be asked.
    pub retry_after: Option<Duration>,
}

/// The answer of a receiver that wants to hear no more of this event.
pub const WEBHOOK_GONE: &str = "webhook_gone";

/// The client of all webhooks. Makes its connections when first used. Cheap to clone.
#[derive(Clone)]
pub struct WebhookClient {
    secrets: HookSecrets,
    /// One for while nobody can be trusted, and one for once somebody can.
    http: Arc<[OnceLock<reqwest::Client>; 2]>,
}

impl WebhookClient {
    /// A client that signs with these.
    pub fn new(secrets: HookSecrets) -> Self {
        Self { secrets, http: Arc::default() }
    }

    /// Tries once.
    pub async fn send(&self, request: WebhookRequest<'_>) -> WebhookAnswer {
        let (Ok(key), Ok(url)) = (self.secrets.named(request.secret), request.url.parse::<Url>()) else {
            // Both were checked when the process started.
            return failed("webhook_unreachable");
        };
        let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let (timestamp, delivery) = (timestamp(SystemTime::now()), delivery_id());
        let body = request.body.as_bytes();
        let signed = Signed { method: "POST", path: &path, body, timestamp, delivery: &delivery };
        let signature = signed.signature(key);
        if url.scheme() == "https" && !host::has_authorities() {
            return failed(host::NO_AUTHORITIES);
        }
        let Some(http) = self.http() else { return failed(host::NO_AUTHORITIES) };
        let sending = http
            .post(url)
            .header("realmctl-timestamp", timestamp.to_string())
            .header("realmctl-delivery", &delivery)
            .header("realmctl-signature", signature)
            .header("realmctl-event-id", request.id)
            .header("realmctl-event", request.event)
            .header("realmctl-seq", request.seq.to_string())
            .header(CONTENT_TYPE, "application/json")
            .body(request.body.to_owned());
        match sending.send().await {
            Ok(answer) => judged(&answer),
            Err(error) if distrust(&error).is_some() => failed("webhook_certificate_refused"),
            Err(error) if error.is_timeout() => failed("webhook_timeout"),
            Err(_) => failed("webhook_unreachable"),
        }
    }

    fn http(&self) -> Option<&reqwest::Client> {
        let trusts = host::has_authorities();
        let made = &self.http[usize::from(trusts)];
        if let Some(http) = made.get() {
            return Some(http);
        }
        // Another crate of this process may have installed the same provider: either serves.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ATTEMPT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(0)
            .user_agent("realmctl");
        let client = if trusts { client } else { client.tls_backend_preconfigured(trusts_nobody()) };
        let built = client.build().ok()?;
        Some(made.get_or_init(|| built))
    }
}

fn failed(code: &'static str) -> WebhookAnswer {
    WebhookAnswer { status: None, error: Some(code), retry_after: None }
}

fn judged(answer: &Response) -> WebhookAnswer {
    let status = answer.status().as_u16();
    let error = error_of(status);
    let asked = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let retry_after = asked.map(Duration::from_secs).filter(|_| matches!(status, 429 | 503));
    WebhookAnswer { status: Some(status), error, retry_after }
}

/// The code of an answer that takes no event.
fn error_of(status: u16) -> Option<&'static str> {
    match status {
        200..300 => None,
        300..400 => Some("webhook_redirected"),
        410 => Some(WEBHOOK_GONE),
        429 => Some("webhook_throttled"),
        400..500 => Some("webhook_refused"),
        _ => Some("webhook_unavailable"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_2xx_takes_an_event() {
        assert_eq!([200, 202, 204, 299].map(error_of), [None; 4]);
        let codes = [301, 308, 400, 401, 404, 410, 429, 500, 503].map(|status| error_of(status).unwrap_or("taken"));
        let refused = "webhook_refused";
        let wanted = [
            "webhook_redirected",
            "webhook_redirected",
            refused,
            refused,
            refused,
            WEBHOOK_GONE,
            "webhook_throttled",
            "webhook_unavailable",
            "webhook_unavailable",
        ];
        assert_eq!(codes, wanted);
    }

    #[tokio::test]
    async fn without_its_secret_nothing_is_sent() {
        let client = WebhookClient::new(HookSecrets::default());
        let request =
            WebhookRequest { url: "http://127.0.0.1:9/", secret: None, id: "1", event: "e", seq: 1, body: "{}" };
        assert_eq!(client.send(request).await.error, Some("webhook_unreachable"));
    }
}
