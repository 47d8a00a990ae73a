//! The provider: what it says of itself (OpenID Connect Discovery), its keys, and the exchange of a code for an ID token.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::Value;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;
use tracing::warn;
use url::Url;

use super::fetch::{self, FetchError};
use super::id_token::{Signed, Unproved};
use super::key_set::KeySet;
use super::settings::{LoginSettings, safe_url};

/// What was read is read again after this long.
const FRESH_FOR: Duration = Duration::from_secs(60 * 60);

/// After a failure it is tried again at most this often.
const TRIED_EVERY: Duration = Duration::from_secs(5);

/// For a key that is not among those known, all are read again at most this often.
const KEYS_EVERY: Duration = Duration::from_secs(60);

/// Codes exchanged at a time.
const EXCHANGES: usize = 16;

/// Why there is no ID token that can be trusted.
#[derive(Debug)]
pub(super) enum Failed {
    /// The provider can't be reached, or too many sign in at once: later it may work.
    ForNow(String),
    /// The provider takes the code for no good one, or its answer can't be trusted.
    Refused(String),
}

/// What the provider says of itself, as far as it is needed.
#[derive(Debug, Clone)]
pub(super) struct Metadata {
    pub(super) authorization: Url,
    token: Url,
    keys: Url,
    /// The secret is sent in the body, because the provider does not take it in a header.
    secret_in_body: bool,
    /// It says in its answers to browsers who it is (RFC 9207).
    pub(super) names_itself: bool,
}

/// Something that was fetched.
struct Cached<T> {
    value: Option<Arc<T>>,
    read_at: Option<Instant>,
    tried_at: Option<Instant>,
    failed: String,
}

impl<T> Default for Cached<T> {
    fn default() -> Self {
        Self { value: None, read_at: None, tried_at: None, failed: String::new() }
    }
}

/// The provider of this deployment.
pub(super) struct Provider {
    settings: Arc<LoginSettings>,
    client: Result<Client, FetchError>,
    /// Whoever holds it fetches; the others wait for what comes of it.
    metadata: Mutex<Cached<Metadata>>,
    keys: Mutex<Cached<KeySet>>,
    exchanges: Semaphore,
}

impl Provider {
    pub(super) fn new(settings: Arc<LoginSettings>) -> Self {
        Self {
            settings,
            client: fetch::client(),
            metadata: Mutex::default(),
            keys: Mutex::default(),
            exchanges: Semaphore::new(EXCHANGES),
        }
    }

    /// What the provider says of itself, at most an hour old.
    pub(super) async fn metadata(&self) -> Result<Arc<Metadata>, FetchError> {
        self.metadata.lock().await.get(FRESH_FOR, TRIED_EVERY, async || self.discover().await).await
    }

    async fn discover(&self) -> Result<Metadata, FetchError> {
        let url = format!("{}/.well-known/openid-configuration", self.settings.issuer.trim_end_matches('/'));
        let said = self.get(&url).await?;
        Metadata::read(&said, &self.settings.issuer).map_err(|why| FetchError(why.to_owned()))
    }

    async fn keys(&self, fresh_for: Duration, url: &Url) -> Result<Arc<KeySet>, FetchError> {
        let read = async || {
            let said = self.get(url.as_str()).await?;
            KeySet::read(&said).ok_or_else(|| FetchError("the provider's keys are not a set of keys".to_owned()))
        };
        self.keys.lock().await.get(fresh_for, TRIED_EVERY, read).await
    }

    async fn get(&self, url: &str) -> Result<Value, FetchError> {
        let client = self.client.as_ref().map_err(FetchError::clone)?;
        let (status, said) = fetch::json(client.get(url)).await?;
        if status == StatusCode::OK { Ok(said) } else { Err(FetchError(format!("the provider answers with {status}"))) }
    }

    /// The claims of the ID token that the provider gives for a code, once its signature was checked.
    pub(super) async fn redeem(&self, metadata: &Metadata, code: &str, verifier: &str) -> Result<Signed, Failed> {
        let place = self.exchanges.try_acquire();
        let _place = place.map_err(|_| Failed::ForNow("too many people sign in at once".to_owned()))?;
        let text = self.exchange(metadata, code, verifier).await?;
        let token = Unproved::parse(&text).map_err(|why| Failed::Refused(why.to_owned()))?;
        let for_now = |FetchError(why)| Failed::ForNow(why);
        let mut keys = self.keys(FRESH_FOR, &metadata.keys).await.map_err(for_now)?;
        if token.is_signed_by(&keys).is_none() {
            // It may have a new key. Who sends tokens with keys of its own makes us ask once a minute.
            keys = self.keys(KEYS_EVERY, &metadata.keys).await.map_err(for_now)?;
        }
        let known = token.is_signed_by(&keys).is_some();
        token.proved_by(&keys).ok_or_else(|| {
            let why = if known {
                "its signature is wrong"
            } else {
                "it is signed with a key that the provider does not list"
            };
            Failed::Refused(format!("the ID token can't be trusted: {why}"))
        })
    }

    async fn exchange(&self, metadata: &Metadata, code: &str, verifier: &str) -> Result<String, Failed> {
        let client = self.client.as_ref().map_err(|FetchError(why)| Failed::ForNow(why.clone()))?;
        let request = self.token_request(client, metadata, code, verifier);
        let (status, said) = fetch::json(request).await.map_err(|FetchError(why)| Failed::ForNow(why))?;
        if status.is_server_error() {
            return Err(Failed::ForNow(format!("the provider answers a code with {status}")));
        }
        if status != StatusCode::OK {
            let code = plain_code(said.get("error").and_then(Value::as_str));
            return Err(Failed::Refused(format!("the provider answers a code with {status} ({code})")));
        }
        let token = said.get("id_token").and_then(Value::as_str);
        token.map(str::to_owned).ok_or_else(|| Failed::Refused("the provider gives no ID token".to_owned()))
    }

    fn token_request(&self, client: &Client, metadata: &Metadata, code: &str, verifier: &str) -> RequestBuilder {
        let redirect_uri = self.settings.redirect_uri();
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code");
        form.append_pair("code", code);
        form.append_pair("redirect_uri", &redirect_uri);
        form.append_pair("code_verifier", verifier);
        let client_id = &self.settings.client_id;
        let mut request = client.post(metadata.token.clone());
        match &self.settings.client_secret {
            Some(secret) if metadata.secret_in_body => {
                form.append_pair("client_id", client_id);
                form.append_pair("client_secret", secret);
            }
            Some(secret) => request = request.header("Authorization", basic(client_id, secret)),
            None => {
                form.append_pair("client_id", client_id);
            }
        }
        request.header("Content-Type", "application/x-www-form-urlencoded").body(form.finish())
    }
}

impl<T> Cached<T> {
    /// What is fresh enough, or else what `read` finds; what is old, if that fails.
    async fn get(
        &mut self,
        fresh_for: Duration,
        tried_every: Duration,
        read: impl AsyncFnOnce() -> Result<T, FetchError>,
    ) -> Result<Arc<T>, FetchError> {
        let is_fresh = self.read_at.is_some_and(|at| at.elapsed() < fresh_for);
        let was_tried = self.tried_at.is_some_and(|at| at.elapsed() < tried_every);
        if !(is_fresh || was_tried) {
            self.tried_at = Some(Instant::now());
            match read().await {
                Ok(value) => {
                    (self.value, self.read_at, self.tried_at) = (Some(Arc::new(value)), Some(Instant::now()), None);
                }
                Err(FetchError(why)) => {
                    warn!(
                        error = why,
                        "the OpenID Connect provider can't be asked; it is tried again when somebody signs in"
                    );
                    self.failed = why;
                }
            }
        }
        self.value.clone().ok_or_else(|| FetchError(self.failed.clone()))
    }
}

impl Metadata {
    fn read(said: &Value, issuer: &str) -> Result<Self, &'static str> {
        let text = |name: &str| said.get(name).and_then(Value::as_str);
        if text("issuer") != Some(issuer) {
            return Err("the provider calls itself otherwise than --oidc-issuer does: write it in the same way");
        }
        let url = |name: &str| text(name).and_then(safe_url_with_query);
        // What is not said is allowed (OpenID Connect Discovery, 3), but for S256, which is asked for in any case.
        let takes = |name: &str, wanted: &str| {
            said.get(name)
                .and_then(Value::as_array)
                .is_none_or(|all| all.iter().any(|one| one.as_str() == Some(wanted)))
        };
        if !takes("response_types_supported", "code") || !takes("code_challenge_methods_supported", "S256") {
            return Err("the provider does not take the authorization code flow with PKCE (S256)");
        }
        let signs = "id_token_signing_alg_values_supported";
        if !takes(signs, "RS256") && !takes(signs, "ES256") {
            return Err("the provider signs ID tokens neither with RS256 nor with ES256");
        }
        let methods = "token_endpoint_auth_methods_supported";
        Ok(Self {
            authorization: url("authorization_endpoint").ok_or(BAD_ENDPOINT)?,
            token: url("token_endpoint").ok_or(BAD_ENDPOINT)?,
            keys: url("jwks_uri").ok_or(BAD_ENDPOINT)?,
            secret_in_body: !takes(methods, "client_secret_basic") && takes(methods, "client_secret_post"),
            names_itself: said.get("authorization_response_iss_parameter_supported") == Some(&Value::Bool(true)),
        })
    }
}

const BAD_ENDPOINT: &str = "an address of the provider is missing, or is not https://";

/// Addresses of the provider may have a query (RFC 6749, 3.1).
fn safe_url_with_query(text: &str) -> Option<Url> {
    let whole = Url::parse(text).ok()?;
    let mut bare = whole.clone();
    bare.set_query(None);
    safe_url(bare.as_str()).ok().map(|_| whole)
}

/// RFC 6749, 2.3.1: both are encoded as in a form first.
fn basic(client_id: &str, secret: &str) -> String {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(client_id), encoded(secret))))
}

/// A code of an error as it may be shown and logged.
pub(super) fn plain_code(given: Option<&str>) -> &str {
    let plain = |code: &&str| {
        (1..=40).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    given.filter(plain).unwrap_or("no code")
}
