//! `/v1/audit`: who did what, why, before and after; the whole chain of it, and its end.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use catalogue::audit::{self, AuditEntry};
use catalogue::audit_chain;
use futures::stream;
use serde::Deserialize;
use store::{StoreError, Tx};
use utoipa::IntoParams;
use workflows::timestamps::rfc3339;

use crate::api::text_schemas;
use crate::api::{AuditHead, AuditLine, AuditView, Page, SealedView};
use crate::app_state::App;
use crate::paging::Window;
use crate::problem::ApiError;
use crate::query::{Params, tenant_filter};

/// The query of `GET /v1/audit`.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Only this tenant's.
    #[param(schema_with = text_schemas::tenant_filter)]
    tenant: Option<String>,
    /// The `nextCursor` of the page before.
    #[param(max_length = 128, pattern = "^[!-~]*$")]
    cursor: Option<String>,
    /// How many items; 100 when absent.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 500)]
    limit: Option<String>,
}

/// `GET /v1/audit`: newest first.
pub(crate) async fn list(
    State(app): State<App>,
    Params(filter): Params<Filter>,
) -> Result<Json<Page<AuditView>>, ApiError> {
    let window = Window::new(filter.cursor, filter.limit.as_deref())?;
    let tenant = tenant_filter(filter.tenant)?;
    let mut tx = app.deployment.store.read().await?;
    let found = audit::list(&mut tx, tenant.as_deref(), window.cursor.as_deref(), window.fetch()).await?;
    tx.rollback().await?;
    Ok(Json(window.page(found.into_iter().map(view).collect(), |entry: &AuditView| &entry.id)))
}

/// The query of `GET /v1/audit/export`.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct From {
    /// Only entries after the one with this number.
    #[param(minimum = 0)]
    after: Option<i64>,
}

/// Entries read at a time for an export.
const LINES: i64 = 500;

/// `GET /v1/audit/export`: the sealed entries in the order of the chain, as JSON lines, and its end as the last one.
pub(crate) async fn export(State(app): State<App>, Params(from): Params<From>) -> Result<Response, ApiError> {
    if from.after.is_some_and(|after| after < 0) {
        return Err(ApiError::invalid("invalid_query", "`after` must be the number of an entry"));
    }
    // All of them, also those that no chain begins with.
    let from = from.after.filter(|after| *after > 0).unwrap_or(i64::MIN);
    let lines = stream::try_unfold(Some(from), move |after| {
        let app = app.clone();
        async move {
            let Some(after) = after else { return Ok(None) };
            let mut tx = app.deployment.store.read().await?;
            let sealed = audit_chain::list(&mut tx, after, LINES).await?;
            let (lines, next) = match sealed.last().map(|last| last.seq) {
                Some(last) => {
                    (sealed.into_iter().map(|sealed| AuditLine::Entry(sealed_view(sealed))).collect(), Some(last))
                }
                // Read with the end of the list, so that nothing is beyond it but what does not belong there.
                None => (vec![AuditLine::Head { head: head_view(&mut tx).await? }], None),
            };
            tx.rollback().await?;
            let json = |line: &AuditLine| serde_json::to_string(line).map(|line| line + "\n");
            let text = lines.iter().map(json).collect::<Result<String, _>>().expect("plain data with text keys");
            Ok::<_, StoreError>(Some((text, next)))
        }
    });
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}

/// `GET /v1/audit/head`: the end of the chain.
pub(crate) async fn head(State(app): State<App>) -> Result<Json<AuditHead>, ApiError> {
    let mut tx = app.deployment.store.read().await?;
    let head = head_view(&mut tx).await?;
    tx.rollback().await?;
    Ok(Json(head))
}

async fn head_view(tx: &mut Tx) -> Result<AuditHead, StoreError> {
    let unsealed = audit_chain::unsealed(tx).await?;
    let head = audit_chain::head(tx).await?;
    let now = tx.now().await?;
    Ok(AuditHead {
        seq: head.seq,
        digest: head.digest,
        sealed_at: (head.seq > 0).then(|| rfc3339(head.at)),
        unsealed: unsealed.entries,
        oldest_unsealed_ms: unsealed.oldest.map(|oldest| (now - oldest).max(0)),
    })
}

fn sealed_view(sealed: audit_chain::Sealed) -> SealedView {
    SealedView { seq: sealed.seq, digest: sealed.digest, entry: view(sealed.entry) }
}

fn view(entry: AuditEntry) -> AuditView {
    let AuditEntry { id, at, who, origin, action, tenant, why, before, after } = entry;
    AuditView { id, at: rfc3339(at), who, origin, action, tenant, why, before, after }
}
