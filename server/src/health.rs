//! Whether the process lives, and whether it can serve. Asked by machines, without a token.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use store::StoreError;
use tracing::warn;
use workflows::clock_checks::{self, CLOCK_SKEW};
use workflows::{host, worker_there};

use crate::app_state::App;
use crate::problem::ApiError;

/// How long the catalogue may take to answer before this process does not count as ready.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// `GET /healthz`: always, while the process lives.
pub(crate) async fn healthz() -> &'static str {
    "ok"
}

/// `GET /readyz`: when the catalogue answers and takes writes. A clock that is wrong, a process that lacks something for data work (this one
/// or another), or a variable that has no effect, is told in further lines and does not make the process unready: cancelling a move or
/// bringing a tenant online needs no store.
pub(crate) async fn readyz(State(app): State<App>) -> Result<String, ApiError> {
    match tokio::time::timeout(ANSWERS_WITHIN, ask(&app)).await {
        Ok(Ok((beyond_skew, unfit))) => {
            let clocks = beyond_skew.iter().map(|difference| format!("\n{CLOCK_SKEW}: {difference}"));
            let unfit = unfit.iter().map(|who| format!("\nunfit: {who}"));
            let variables = host::settings_without_effect().into_iter();
            let variables = variables
                .map(|name| format!("\nwithout_effect: {name} is set; the topology alone says where stores are"));
            Ok(std::iter::once("ok".to_owned()).chain(clocks).chain(unfit).chain(variables).collect())
        }
        Ok(Err(error)) => {
            warn!(error = error.chain(), "not ready");
            Err(not_ready(error.to_string()))
        }
        Err(_) => {
            warn!("not ready: the catalogue does not answer in time");
            Err(not_ready(format!("the database does not answer within {} s", ANSWERS_WITHIN.as_secs())))
        }
    }
}

fn not_ready(why: String) -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", why)
}

/// What stores are known to have another time than the database, and what processes are unfit for data work.
async fn ask(app: &App) -> Result<(Vec<String>, Option<String>), StoreError> {
    let mut tx = app.deployment.store.read().await?;
    catalogue::tenants::list(&mut tx, None, None, 1).await?;
    let unfit = worker_there::unfit(&mut tx).await?;
    tx.rollback().await?;
    app.last_write.try_again(&app.deployment.store).await?;
    Ok((clock_checks::beyond_skew(&app.deployment).await?, unfit))
}
