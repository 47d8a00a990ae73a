//! Refusals in the audit trail: who was not let in, and who asked for more than they may. The trail is kept for ever and anybody can ask,
//! so that only so many are written a minute; the next one says how many were left out.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{MatchedPath, OriginalUri, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use catalogue::audit::{self, AuditEntry};
use serde_json::{Value, json};
use store::StoreError;
use tokio::time::Instant;
use tracing::warn;

use crate::app_state::App;
use crate::principal::{Peer, Principal};
use crate::problem::ProblemCode;

/// Refusals written a minute: of those whose token is good, and of all others together.
const OF_BEARERS: u32 = 60;
const OF_STRANGERS: u32 = 10;
const MINUTE: Duration = Duration::from_secs(60);

/// The longest path that is kept.
const PATH_MAX: usize = 200;

/// How many refusals were written lately.
#[derive(Clone, Default)]
pub(crate) struct RefusalBudget {
    bearers: Arc<Mutex<Spent>>,
    strangers: Arc<Mutex<Spent>>,
}

#[derive(Default)]
struct Spent {
    since: Option<Instant>,
    written: u32,
    left_out: u64,
}

impl Spent {
    /// How many were left out since the last one that was written; none if this one is left out, too.
    fn take(&mut self, most: u32, now: Instant) -> Option<u64> {
        if self.since.is_none_or(|since| now - since >= MINUTE) {
            (self.since, self.written) = (Some(now), 0);
        }
        if self.written >= most {
            self.left_out += 1;
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

/// Writes an entry for each request that is answered with 401, 403 or 429.
pub(crate) async fn record(State(app): State<App>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let route =
        request.extensions().get::<MatchedPath>().map_or_else(|| "-".to_owned(), |path| path.as_str().to_owned());
    let path =
        request.extensions().get::<OriginalUri>().map_or_else(|| request.uri().path(), |OriginalUri(uri)| uri.path());
    let path: String = path.chars().take(PATH_MAX).collect();
    let origin = request.extensions().get::<Peer>().map_or_else(String::new, |Peer(address)| address.to_string());
    let response = next.run(request).await;
    let refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS];
    if !refused.contains(&response.status()) {
        return response;
    }
    let principal = response.extensions().get::<Principal>();
    let (budget, most) = match principal {
        Some(_) => (&app.refusals.bearers, OF_BEARERS),
        None => (&app.refusals.strangers, OF_STRANGERS),
    };
    let left_out = budget.lock().unwrap_or_else(PoisonError::into_inner).take(most, Instant::now());
    let Some(left_out) = left_out else { return response };
    let code = response.extensions().get::<ProblemCode>().map_or("refused", |code| code.0);
    let who = principal.map_or_else(|| "unknown".to_owned(), |principal| principal.who(None));
    let after = json!({ "method": method.as_str(), "route": route, "path": path, "code": code, "leftOut": left_out });
    if let Err(error) = write(&app, (who, origin), code, after).await {
        warn!(code, error = error.chain(), "a refusal could not be written to the audit trail");
    }
    response
}

async fn write(app: &App, (who, origin): (String, String), code: &str, after: Value) -> Result<(), StoreError> {
    let mut tx = app.deployment.store.begin().await?;
    let entry = AuditEntry {
        id: app.deployment.ids.next(),
        at: tx.now().await?,
        who,
        origin,
        action: "request.refused".to_owned(),
        tenant: None,
        why: code.to_owned(),
        before: Value::Null,
        after,
    };
    audit::append(&mut tx, &entry).await?;
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_written_a_minute_and_the_others_are_counted() {
        let (mut spent, now) = (Spent::default(), Instant::now());
        assert_eq!((0..5).map(|_| spent.take(3, now)).collect::<Vec<_>>(), [Some(0), Some(0), Some(0), None, None]);
        assert_eq!(spent.take(3, now + MINUTE), Some(2));
        assert_eq!(spent.take(3, now + MINUTE), Some(0));
    }
}
