//! `/login` and `/login/callback`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use tracing::{info, warn};
use workflows::access::{Person, begin_session, is_login_completed};
use workflows::refusal::Refusal;

use super::claims::{self, Expected, Proved};
use super::cookies::{LOGIN_COOKIE, cleared, find_cookie, login_cookie, session_cookie};
use super::provider::{Failed, Metadata, Provider, plain_code};
use super::settings::LoginSettings;
use super::ticket::{GOOD_FOR_S, Ticket};
use super::{pages, return_to, signed_in};
use crate::app_state::App;
use crate::principal::Peer;
use crate::problem::ApiError;
use crate::rate_limit::RateLimit;
use crate::refusals;

/// Requests a second from one address, twice as many at once: a person makes two for a login.
const PER_SECOND: u32 = 20;

/// More of what a browser says of itself is not kept.
const USER_AGENT_MAX: usize = 200;

#[derive(Clone)]
struct Login {
    app: App,
    settings: Arc<LoginSettings>,
    provider: Arc<Provider>,
    limit: RateLimit,
}

/// Why somebody is not signed in: a page with these.
struct Refused {
    status: StatusCode,
    code: &'static str,
    words: String,
    /// Who it is, where the provider has vouched for it.
    who: Option<String>,
}

impl Refused {
    fn new(status: StatusCode, code: &'static str, words: impl Into<String>) -> Self {
        Self { status, code, words: words.into(), who: None }
    }
}

/// The routes of login. The provider is asked once at the start, so that what is wrong with it is in the log; it need not be there.
pub(crate) fn router<S: Clone + Send + Sync + 'static>(app: &App, settings: Arc<LoginSettings>) -> Router<S> {
    let provider = Arc::new(Provider::new(Arc::clone(&settings)));
    let (first, stop) = (Arc::clone(&provider), app.stop.clone());
    tokio::spawn(async move {
        // It says itself what is wrong.
        stop.run_until_cancelled(async { first.metadata().await.map(drop) }).await
    });
    let login = Login { app: app.clone(), settings, provider, limit: RateLimit::new(Some(PER_SECOND)) };
    Router::new()
        .route("/login", get(begin))
        .route("/login/callback", get(complete))
        .route("/signed-in", get(signed_in::page))
        .route("/signed-in.js", get(signed_in::script))
        .with_state(login)
}

/// `GET /login?return_to=PATH`
async fn begin(State(login): State<Login>, request: Parts) -> Response {
    let origin = origin_of(&request);
    match login.begin(&request, &origin).await {
        Ok(response) => response,
        Err(refused) => login.refuse(refused, origin).await,
    }
}

/// `GET /login/callback`, to which the provider sends the browser.
async fn complete(State(login): State<Login>, request: Parts) -> Response {
    let origin = origin_of(&request);
    let mut response = match login.complete(&request, &origin).await {
        Ok(response) => response,
        Err(refused) => login.refuse(refused, origin).await,
    };
    // It was for one answer.
    append_cookie(&mut response, cleared(LOGIN_COOKIE));
    response
}

impl Login {
    async fn begin(&self, request: &Parts, origin: &str) -> Result<Response, Refused> {
        self.check_rate(origin)?;
        let return_to = match parameter(request, "return_to") {
            None => return_to::DEFAULT.to_owned(),
            Some(given) => return_to::checked(&given).map(str::to_owned).ok_or_else(|| {
                let words = "`return_to` must be a path of this server, such as /signed-in";
                Refused::new(StatusCode::BAD_REQUEST, "invalid_return_to", words)
            })?,
        };
        let metadata = self.metadata().await?;
        let ticket = Ticket::new(&return_to, now()).ok_or_else(no_randomness)?;
        let sealed = ticket.seal(&self.app.token_keys).ok_or_else(no_randomness)?;
        let mut url = metadata.authorization.clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", &self.settings.redirect_uri())
            .append_pair("scope", &self.settings.scopes)
            .append_pair("state", &ticket.state)
            .append_pair("nonce", &ticket.nonce)
            .append_pair("code_challenge", &ticket.challenge())
            .append_pair("code_challenge_method", "S256");
        let mut response = redirect(url.as_str());
        append_cookie(&mut response, login_cookie(&sealed, GOOD_FOR_S));
        Ok(response)
    }

    async fn complete(&self, request: &Parts, origin: &str) -> Result<Response, Refused> {
        self.check_rate(origin)?;
        let ticket = self.ticket(request)?;
        Self::check_answer(request)?;
        let metadata = self.metadata().await?;
        self.check_issuer(request, &metadata)?;
        let code = parameter(request, "code").filter(|code| !code.is_empty() && code.len() <= 4096);
        let code = code.ok_or_else(|| {
            Refused::new(StatusCode::BAD_REQUEST, "login_without_code", "the provider has sent no code")
        })?;
        self.check_not_completed(&ticket).await?;
        let proved = self.proved(&metadata, &code, &ticket).await?;
        let person = self.person(proved, &request.headers, origin)?;
        let times = self.settings.times;
        let begun = begin_session(&self.app.deployment, &self.app.token_keys, &person, &ticket.state, times).await;
        let text = begun.map_err(|refusal| of_refusal(refusal, &person.name))?;
        info!(role = person.role.as_str(), "somebody has signed in");
        let mut response = redirect(&ticket.return_to);
        append_cookie(&mut response, session_cookie(&text));
        Ok(response)
    }

    /// What this browser was given when it began, if the answer is to that.
    fn ticket(&self, request: &Parts) -> Result<Ticket, Refused> {
        let bad = |code, words| Err(Refused::new(StatusCode::BAD_REQUEST, code, words));
        let ticket = find_cookie(&request.headers, LOGIN_COOKIE);
        let Some(ticket) = ticket.and_then(|text| Ticket::open(&self.app.token_keys, text)) else {
            return bad(
                "login_not_begun",
                "this browser has not begun this login here, or keeps no cookies of this server",
            );
        };
        // Both are random texts of one length; what differs is told to nobody before the end.
        let given = parameter(request, "state").unwrap_or_default();
        if blake3::hash(given.as_bytes()) != blake3::hash(ticket.state.as_bytes()) {
            return bad(
                "login_state_mismatch",
                "this answer belongs to another login: sign in again, in one tab at a time",
            );
        }
        if now() >= ticket.expires_at {
            return bad("login_expired", "signing in took longer than ten minutes");
        }
        Ok(ticket)
    }

    /// The provider may say that it does not vouch for anybody.
    fn check_answer(request: &Parts) -> Result<(), Refused> {
        let Some(error) = parameter(request, "error") else { return Ok(()) };
        let words = format!("the provider has not signed you in ({})", plain_code(Some(&error)));
        Err(Refused::new(StatusCode::FORBIDDEN, "login_denied", words))
    }

    fn check_issuer(&self, request: &Parts, metadata: &Metadata) -> Result<(), Refused> {
        match parameter(request, "iss") {
            Some(named) if named == self.settings.issuer => Ok(()),
            None if !metadata.names_itself => Ok(()),
            _ => Err(invalid("the answer is of another provider")),
        }
    }

    async fn check_not_completed(&self, ticket: &Ticket) -> Result<(), Refused> {
        let completed = async {
            let mut tx = self.app.deployment.store.read().await?;
            let completed = is_login_completed(&mut tx, &self.app.token_keys, &ticket.state).await?;
            tx.rollback().await?;
            Ok(completed)
        };
        match completed.await {
            Ok(false) => Ok(()),
            Ok(true) => Err(replayed()),
            Err(error) => Err(of_refusal(Refusal::Store(error), "unknown")),
        }
    }

    async fn proved(&self, metadata: &Metadata, code: &str, ticket: &Ticket) -> Result<Proved, Refused> {
        let signed = self.provider.redeem(metadata, code, &ticket.verifier).await.map_err(|failed| match failed {
            Failed::ForNow(why) => unavailable(&why),
            Failed::Refused(why) => invalid(&why),
        })?;
        let expected = Expected {
            issuer: &self.settings.issuer,
            client_id: &self.settings.client_id,
            nonce: &ticket.nonce,
            groups_claim: &self.settings.groups_claim,
            now: now(),
        };
        claims::check(&signed, &expected).map_err(invalid)
    }

    fn person(&self, proved: Proved, headers: &HeaderMap, origin: &str) -> Result<Person, Refused> {
        let Some((role, member_of)) = self.settings.roles.role_of(&proved.groups) else {
            let words = format!("{} is in no group that may use this server: ask those who run it", proved.name);
            let refused = Refused::new(StatusCode::FORBIDDEN, "no_group", words);
            return Err(Refused { who: Some(proved.name), ..refused });
        };
        let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        Ok(Person {
            issuer: self.settings.issuer.clone(),
            subject: proved.subject,
            name: proved.name,
            role,
            member_of,
            origin: origin.to_owned(),
            user_agent: agent.chars().take(USER_AGENT_MAX).collect(),
        })
    }

    async fn metadata(&self) -> Result<Arc<Metadata>, Refused> {
        self.provider.metadata().await.map_err(|error| unavailable(&error.0))
    }

    fn check_rate(&self, origin: &str) -> Result<(), Refused> {
        match self.limit.wait(origin) {
            None => Ok(()),
            Some(_) => {
                let words = "there are too many logins from your address: wait a moment";
                Err(Refused::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", words))
            }
        }
    }

    /// The page, and an entry in the audit trail, unless there were too many lately.
    async fn refuse(&self, refused: Refused, origin: String) -> Response {
        let who = refused.who.unwrap_or_else(|| "unknown".to_owned());
        if refused.status != StatusCode::SERVICE_UNAVAILABLE {
            let after = json!({ "code": refused.code });
            refusals::note(&self.app, "login.refused", false, (who, origin), after).await;
        }
        pages::refused(refused.status, refused.code, &refused.words)
    }
}

fn invalid(why: &str) -> Refused {
    warn!(reason = why, "a login is refused");
    let words = "the provider's answer could not be checked; the server's log says why";
    Refused::new(StatusCode::FORBIDDEN, "invalid_id_token", words)
}

fn unavailable(why: &str) -> Refused {
    warn!(reason = why, "a login is not possible now");
    let words = "nobody can sign in at this moment; the server's log says why. Try again soon";
    Refused::new(StatusCode::SERVICE_UNAVAILABLE, "login_unavailable", words)
}

fn replayed() -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, "login_replayed", "this login was completed already")
}

fn no_randomness() -> Refused {
    unavailable("the system gave no random bytes")
}

fn of_refusal(refusal: Refusal, who: &str) -> Refused {
    if refusal.code() == "login_replayed" {
        return Refused { who: Some(who.to_owned()), ..replayed() };
    }
    // Its conversion tells the log.
    drop(ApiError::from(refusal));
    let words = "nobody can sign in at this moment: the catalogue does not answer. Try again soon";
    Refused::new(StatusCode::SERVICE_UNAVAILABLE, "login_unavailable", words)
}

/// A parameter of the query, if it is given once.
fn parameter(request: &Parts, name: &str) -> Option<String> {
    let Query(given): Query<Vec<(String, String)>> = Query::try_from_uri(&request.uri).ok()?;
    let mut values = given.into_iter().filter(|(key, _)| key == name);
    values.next().filter(|_| values.next().is_none()).map(|(_, value)| value)
}

fn redirect(to: &str) -> Response {
    let mut response = pages::guarded_plainly(StatusCode::SEE_OTHER.into_response());
    if let Ok(to) = HeaderValue::from_str(to) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    response
}

fn append_cookie(response: &mut Response, cookie: Option<HeaderValue>) {
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

fn origin_of(request: &Parts) -> String {
    request.extensions.get::<Peer>().map_or_else(String::new, |Peer(address)| address.to_string())
}

/// Seconds since the epoch by this machine's clock: what is compared with it is the provider's, or lives for ten minutes.
fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
