//! Lets a caller of `/v1` in who shows a token, the server's own or one that was made for somebody; the cookie of a session; or, where the
//! server knows authorities of clients, a certificate. What stands in `Authorization` counts alone if there is anything. A server without any
//! of these listens on
//! loopback only, and then answers only requests that were addressed to loopback: a web page that points its own name there (DNS
//! rebinding) is turned away.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use catalogue::tokens;
use store::{Store, StoreError};
use tokio::time::Instant;
use tracing::warn;
use workflows::access::{Bearer, TokenKeys, TokenRefusal, check_token};

use crate::app_state::App;
use crate::connections::LetIn;
use crate::principal::{Peer, Principal};
use crate::problem::ApiError;
use crate::rate_limit::RateLimit;
use crate::session_gate::SessionGate;
use crate::settings::ServerSettings;
use crate::tls::{CertificateRefusal, ShownCertificate};

/// How often the use of a token is noted.
const NOTE_EVERY: Duration = Duration::from_secs(60);

/// As [`crate::api::VERSION_HEADER`] spells it.
const VERSION: HeaderName = HeaderName::from_static("realmctl-version");

/// Checks tokens.
#[derive(Clone)]
pub(crate) struct Gate {
    /// A hash of the server's own token, so that comparing takes as long for a near miss as for any other.
    own: Option<blake3::Hash>,
    keys: Arc<TokenKeys>,
    sessions: Option<SessionGate>,
    store: Store,
    limit: RateLimit,
    /// Everybody on this machine is let in.
    open: bool,
    certificates: bool,
    /// When the use of a token was last noted, or tried to be, by this process.
    noted: Arc<Mutex<HashMap<String, Instant>>>,
}

impl Gate {
    pub(crate) fn new(app: &App, settings: &ServerSettings) -> Self {
        let own = settings.token.as_ref().map(|token| blake3::hash(token.reveal().as_bytes()));
        let sessions = settings
            .login
            .as_ref()
            .map(|login| SessionGate::new(Arc::clone(login), Arc::clone(&app.token_keys), app.deployment.clone()));
        Self {
            own,
            sessions,
            keys: Arc::clone(&app.token_keys),
            store: app.deployment.store.clone(),
            limit: RateLimit::new(settings.requests_per_second),
            open: settings.is_open(),
            certificates: settings.asks_for_certificates(),
            noted: Arc::default(),
        }
    }

    /// Who asks, and the cookie that takes the place of the one shown.
    async fn let_in(
        &self,
        method: &Method,
        headers: &HeaderMap,
        shown: Option<ShownCertificate>,
        origin: String,
    ) -> Result<(Principal, Option<HeaderValue>), ApiError> {
        if let Some(sessions) = &self.sessions
            && !headers.contains_key(header::AUTHORIZATION)
            && let Some(visitor) = sessions.let_in(method, headers, &origin).await?
        {
            return Ok(visitor);
        }
        self.let_bearer_in(headers, shown, origin).await.map(|principal| (principal, None))
    }

    async fn let_bearer_in(
        &self,
        headers: &HeaderMap,
        shown: Option<ShownCertificate>,
        origin: String,
    ) -> Result<Principal, ApiError> {
        if self.open {
            if is_addressed_to_loopback(headers) {
                return Ok(Principal::trusted(origin, false));
            }
            let detail =
                "this server has no token and answers on loopback only: address it as 127.0.0.1, ::1 or localhost";
            return Err(ApiError::new(StatusCode::FORBIDDEN, "foreign_host", detail));
        }
        if let Some(certificate) = shown.filter(|_| !headers.contains_key(header::AUTHORIZATION)) {
            let holder = certificate.holder().map_err(refused_certificate)?;
            return Ok(Principal::with_certificate(certificate, holder, origin));
        }
        let Some(shown) = shown_token(headers) else {
            let detail = if self.certificates {
                "this server wants a token or a certificate: send `Authorization: Bearer TOKEN`, or connect with a certificate (clients: \
                 --token, or --client-cert and --client-key)"
            } else {
                "this server wants a token: send `Authorization: Bearer TOKEN` (clients: --token or REALMCTL_TOKEN)"
            };
            return Err(ApiError::unauthorized("unauthorized", detail));
        };
        // `blake3::Hash` compares in constant time (its documentation, "impl PartialEq for Hash").
        if self.own.is_some_and(|own| blake3::hash(shown) == own) {
            return Ok(Principal::trusted(origin, !self.keys.is_empty() || self.certificates));
        }
        let shown = std::str::from_utf8(shown).unwrap_or_default();
        let mut tx = self.store.read().await?;
        let checked = check_token(&mut tx, &self.keys, shown).await?;
        tx.rollback().await?;
        let bearer = checked.map_err(refused)?;
        self.note_use(&bearer);
        Ok(Principal::of(bearer, origin))
    }

    /// Once a minute at most, and beside the request: it neither waits nor fails for it.
    fn note_use(&self, bearer: &Bearer) {
        let Some(at) = bearer.note_use_at else { return };
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        noted.retain(|_, tried| tried.elapsed() < NOTE_EVERY);
        if noted.contains_key(&bearer.token) {
            return;
        }
        noted.insert(bearer.token.clone(), Instant::now());
        let (store, token, name) = (self.store.clone(), bearer.token.clone(), bearer.name.clone());
        tokio::spawn(async move {
            let note = async {
                let mut tx = store.begin().await?;
                tokens::note_use(&mut tx, &token, at).await?;
                tx.commit().await
            };
            let noted: Result<(), StoreError> = note.await;
            if let Err(error) = noted {
                warn!(token = name, error = error.chain(), "the use of a token could not be noted");
            }
        });
    }
}

/// Answers 401, or 403 to a foreign `Host`, unless a token is right.
pub(crate) async fn authenticate(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let origin = request.extensions().get::<Peer>().map_or_else(String::new, |Peer(address)| address.to_string());
    let shown = request.extensions().get::<ShownCertificate>().cloned();
    match gate.let_in(request.method(), request.headers(), shown, origin).await {
        Ok((principal, cookie)) => {
            if let Err(error) = gate.limit.check(&principal) {
                return of(principal, with_cookie(error.into_response(), cookie));
            }
            if let Some(connection) = request.extensions().get::<LetIn>() {
                connection.note(principal.key());
            }
            request.extensions_mut().insert(principal.clone());
            of(principal, with_cookie(next.run(request).await, cookie))
        }
        Err(error) => {
            // Its token may have been good before: the connection makes room like any other.
            if let Some(connection) = request.extensions().get::<LetIn>() {
                connection.forget();
            }
            error.into_response()
        }
    }
}

/// The answer with the new cookie of the session, unless it takes the cookie away.
fn with_cookie(mut response: Response, cookie: Option<HeaderValue>) -> Response {
    if let Some(cookie) = cookie
        && !response.headers().contains_key(header::SET_COOKIE)
    {
        response.headers_mut().append(header::SET_COOKIE, cookie);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// The answer with whose it was, for those who look at answers, and with the server's version, which strangers are not told.
fn of(principal: Principal, mut response: Response) -> Response {
    response.extensions_mut().insert(principal);
    response.headers_mut().insert(VERSION, HeaderValue::from_static(env!("CARGO_PKG_VERSION")));
    response
}

fn refused(why: TokenRefusal) -> ApiError {
    let (code, detail) = match why {
        TokenRefusal::Unknown => ("unauthorized", "that token is not one of this server's"),
        TokenRefusal::Expired => ("token_expired", "the token has expired: ask an admin for a new one"),
        TokenRefusal::Revoked => ("token_revoked", "the token was revoked: ask an admin for a new one"),
        TokenRefusal::KeyMissing => (
            "token_key_missing",
            "this server lacks the key that the token was made with: start it with the --token-key-file of the others",
        ),
    };
    ApiError::unauthorized(code, detail)
}

fn refused_certificate(why: CertificateRefusal) -> ApiError {
    let (code, detail) = match why {
        CertificateRefusal::Expired => ("certificate_expired", "the certificate has expired: connect with a new one"),
        CertificateRefusal::Foreign => (
            "certificate_refused",
            "the certificate is not, or no longer, issued by an authority of --tls-client-ca: connect with another one",
        ),
        CertificateRefusal::Nameless => (
            "invalid_certificate_name",
            "the certificate's common name, or its first DNS name if it has none, is not one of 1 to 64 printable ASCII characters: get \
             one that has such a name",
        ),
    };
    ApiError::unauthorized(code, detail)
}

fn is_addressed_to_loopback(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let Some(authority) = host.and_then(|host| host.parse::<Authority>().ok()) else { return false };
    let name = authority.host().trim_matches(['[', ']']);
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn shown_token(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(header::AUTHORIZATION).into_iter();
    let only = values.next().filter(|_| values.next().is_none())?.as_bytes();
    let (scheme, token) = only.split_at_checked("bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}
