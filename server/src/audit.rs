//! `/v1/audit`: who did what, why, before and after.

use axum::Json;
use axum::extract::State;
use catalogue::audit::{self, AuditEntry};
use serde::Deserialize;
use workflows::timestamps::rfc3339;

use crate::api::{AuditView, Page};
use crate::app_state::App;
use crate::paging::Window;
use crate::problem::ApiError;
use crate::query::{Params, tenant_filter};

/// The query of `GET /v1/audit`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    tenant: Option<String>,
    cursor: Option<String>,
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

fn view(entry: AuditEntry) -> AuditView {
    let AuditEntry { id, at, who, action, tenant, why, before, after } = entry;
    AuditView { id, at: rfc3339(at), who, action, tenant, why, before, after }
}
