//! Lets a browser in that shows the cookie of a session. What changes something must come from a page of this server: a browser
//! sends cookies along whoever makes it ask.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use catalogue::sessions;
use store::StoreError;
use tokio::time::Instant;
use tracing::warn;
use workflows::Deployment;
use workflows::access::{
    SessionRefusal, TokenKeys, Visitor, check_session, end_reused, is_change_token, rotate_session,
};

use crate::api::CSRF_HEADER;
use crate::login::{LoginSettings, SESSION_COOKIE, find_cookie, session_cookie};
use crate::principal::Principal;
use crate::problem::ApiError;

/// How often the use of a session is noted.
const NOTE_EVERY: Duration = Duration::from_secs(60);

/// Checks sessions.
#[derive(Clone)]
pub(crate) struct SessionGate {
    settings: Arc<LoginSettings>,
    keys: Arc<TokenKeys>,
    deployment: Deployment,
    /// When the use of a session was last noted, or tried to be, by this process.
    noted: Arc<Mutex<HashMap<String, Instant>>>,
}

impl SessionGate {
    pub(crate) fn new(settings: Arc<LoginSettings>, keys: Arc<TokenKeys>, deployment: Deployment) -> Self {
        Self { settings, keys, deployment, noted: Arc::default() }
    }

    /// Who it is, and the cookie that takes the place of the one shown. None: no cookie of a session was shown.
    pub(crate) async fn let_in(
        &self,
        method: &Method,
        headers: &HeaderMap,
        origin: &str,
    ) -> Result<Option<(Principal, Option<HeaderValue>)>, ApiError> {
        let Some(cookie) = find_cookie(headers, SESSION_COOKIE) else { return Ok(None) };
        let visitor = self.check(cookie, origin).await?;
        if !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
            self.check_comes_from_here(&visitor, headers)?;
        }
        let rotated = if visitor.to_rotate {
            self.rotate(&visitor).await
        } else {
            self.note_use(&visitor);
            None
        };
        let cookie = rotated.and_then(|text| session_cookie(&text));
        Ok(Some((Principal::signed_in(visitor, origin.to_owned()), cookie)))
    }

    async fn check(&self, cookie: &str, origin: &str) -> Result<Visitor, ApiError> {
        let mut tx = self.deployment.store.read().await?;
        let checked = check_session(&mut tx, &self.keys, cookie, self.settings.times).await?;
        tx.rollback().await?;
        let visitor = match checked {
            Ok(visitor) => visitor,
            Err(SessionRefusal::Reused(session)) => {
                end_reused(&self.deployment, &session, origin.to_owned()).await?;
                let detail = "a cookie was shown that had been replaced, so that somebody may have a copy of it: the session was ended. Sign in again";
                return Err(ApiError::unauthorized("session_reused", detail));
            }
            Err(refusal) => return Err(refused(&refusal)),
        };
        // The provider or the roles of groups may have been changed since.
        let role = self.settings.roles.role_of(&visitor.member_of).map(|(role, _)| role);
        if visitor.session.issuer != self.settings.issuer || role != Some(visitor.role) {
            return Err(ApiError::unauthorized(
                "session_expired",
                "what groups may do was changed since you signed in: sign in again",
            ));
        }
        Ok(visitor)
    }

    /// A database that takes no writes at the moment keeps nobody from looking: the next request tries again.
    async fn rotate(&self, visitor: &Visitor) -> Option<String> {
        match rotate_session(&self.deployment, &self.keys, &visitor.session).await {
            Ok(text) => text,
            Err(refusal) => {
                warn!(code = refusal.code(), "the cookie of a session could not be replaced");
                None
            }
        }
    }

    /// By what the browser says of the page that asks, and by a token that only a page of this server could read.
    fn check_comes_from_here(&self, visitor: &Visitor, headers: &HeaderMap) -> Result<(), ApiError> {
        let refused = |detail: &str| Err(ApiError::new(StatusCode::FORBIDDEN, "csrf_refused", detail));
        let only = |name: &str| -> Result<Option<&[u8]>, ()> {
            let mut values = headers.get_all(name).into_iter();
            let first = values.next().map(HeaderValue::as_bytes);
            if values.next().is_some() { Err(()) } else { Ok(first) }
        };
        let (Ok(origin), Ok(site)) = (only("origin"), only("sec-fetch-site")) else {
            return refused("a header that says where the request comes from is there twice");
        };
        let is_foreign = origin.is_some_and(|origin| origin != self.settings.public_origin.as_bytes())
            || site.is_some_and(|site| site != b"same-origin");
        if is_foreign || (origin.is_none() && site.is_none()) {
            return refused(
                "a change with the cookie of a session must come from a page of this server; programs send a token",
            );
        }
        let given = only(CSRF_HEADER).ok().flatten().and_then(|given| std::str::from_utf8(given).ok());
        if given.is_some_and(|given| is_change_token(&self.keys, &visitor.session, given)) {
            return Ok(());
        }
        refused(
            "a change with the cookie of a session needs the header X-CSRF-Token with the `csrfToken` of GET /v1/session",
        )
    }

    /// Once a minute at most, and beside the request: it neither waits nor fails for it.
    fn note_use(&self, visitor: &Visitor) {
        let Some(at) = visitor.note_use_at else { return };
        let id = &visitor.session.id;
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        noted.retain(|_, tried| tried.elapsed() < NOTE_EVERY);
        if noted.contains_key(id) {
            return;
        }
        noted.insert(id.clone(), Instant::now());
        let (store, id) = (self.deployment.store.clone(), id.clone());
        tokio::spawn(async move {
            let note = async {
                let mut tx = store.begin().await?;
                sessions::note_use(&mut tx, &id, at).await?;
                tx.commit().await
            };
            let noted: Result<(), StoreError> = note.await;
            if let Err(error) = noted {
                warn!(error = error.chain(), "the use of a session could not be noted");
            }
        });
    }
}

fn refused(why: &SessionRefusal) -> ApiError {
    let (code, detail) = match why {
        SessionRefusal::Unknown => ("unauthorized", "that cookie is of no session of this server: sign in at /login"),
        SessionRefusal::Expired => ("session_expired", "the session is over: sign in again at /login"),
        SessionRefusal::Ended | SessionRefusal::Reused(_) => {
            ("session_ended", "the session was ended: sign in again at /login")
        }
        SessionRefusal::KeyMissing => (
            "token_key_missing",
            "this server lacks the key that the session was made with: start it with the --token-key-file of the others",
        ),
    };
    ApiError::unauthorized(code, detail)
}
