//! Refusals in the audit trail: who was not let in, and who asked for more than they may. The trail is kept for ever and anybody can ask,
//! so that only so many are written a minute; the next one says how many were left out.

use axum::extract::{MatchedPath, OriginalUri, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use catalogue::audit::{self, AuditEntry};
use serde_json::{Value, json};
use store::StoreError;
use tracing::warn;

use crate::app_state::App;
use crate::principal::{Peer, Principal};
use crate::problem::ProblemCode;

/// The longest path that is kept.
const PATH_MAX: usize = 200;

/// Writes an entry for each request that is answered with 401, 403 or 429.
pub(crate) async fn record(State(app): State<App>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let route =
        request.extensions().get::<MatchedPath>().map_or_else(|| "-".to_owned(), |path| path.as_str().to_owned());
    let path =
        request.extensions().get::<OriginalUri>().map_or_else(|| request.uri().path(), |OriginalUri(uri)| uri.path());
    let path = without_tokens(&path.chars().take(PATH_MAX).collect::<String>());
    let origin = request.extensions().get::<Peer>().map_or_else(String::new, |Peer(address)| address.to_string());
    let response = next.run(request).await;
    let refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS];
    if !refused.contains(&response.status()) {
        return response;
    }
    let principal = response.extensions().get::<Principal>();
    let code = response.extensions().get::<ProblemCode>().map_or("refused", |code| code.0);
    let who = principal.map_or_else(|| "unknown".to_owned(), |principal| principal.who(None));
    let after = json!({ "method": method.as_str(), "route": route, "path": path, "code": code });
    note(&app, "request.refused", principal.is_some(), (who, origin), after).await;
    response
}

/// Writes one, unless there were too many lately; the next one says how many were left out.
pub(crate) async fn note(app: &App, action: &str, of_a_bearer: bool, who: (String, String), mut after: Value) {
    let Some(left_out) = app.refusals.take(of_a_bearer) else { return };
    after["leftOut"] = json!(left_out);
    if let Err(error) = write(app, action, who, after).await {
        warn!(action, error = error.chain(), "a refusal could not be written to the audit trail");
    }
}

/// Somebody may have put a token into a path, where it does not belong: nothing behind its beginning is kept.
fn without_tokens(path: &str) -> String {
    match path.split_once("rct_") {
        Some((before, _)) => format!("{before}rct_…"),
        None => path.to_owned(),
    }
}

async fn write(app: &App, action: &str, (who, origin): (String, String), after: Value) -> Result<(), StoreError> {
    let mut tx = app.deployment.store.begin().await?;
    let entry = AuditEntry {
        id: app.deployment.ids.next(),
        at: tx.now().await?,
        who,
        origin,
        action: action.to_owned(),
        tenant: None,
        why: String::new(),
        before: Value::Null,
        after,
    };
    audit::append(&mut tx, &entry).await?;
    tx.commit().await
}
