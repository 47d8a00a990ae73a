//! The server: its routes, what its handlers share, and how it stops.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post, put};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use workflows::Deployment;

use crate::app::{App, LastWrite};
use crate::auth::{TokenCheck, require_token};
use crate::body::{JSON_MAX, LIST_MAX, TOPOLOGY_MAX};
use crate::move_events::STREAMS_MAX;
use crate::problem::ApiError;
use crate::settings::{self, ExposureError, ServerSettings};
use crate::{
    audit, campaigns, connections, controls, explain, health, limits, move_events, moves, removals, request_log,
    status, tenants, topology,
};

/// How long requests in hand may take to end once the server is told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// The HTTP API of one process.
pub struct Server {
    deployment: Deployment,
    waker: Arc<Notify>,
    settings: ServerSettings,
}

impl Server {
    /// A server over `deployment`. `waker` is the runner's, so that what a request starts begins at once.
    pub fn new(deployment: Deployment, waker: Arc<Notify>, settings: ServerSettings) -> Self {
        Self { deployment, waker, settings }
    }

    /// Refuses a public address without a token.
    ///
    /// # Errors
    /// The address, and what to do.
    pub fn check_exposure(listen: &SocketAddr, settings: &ServerSettings) -> Result<(), ExposureError> {
        settings::check_exposure(listen, settings)
    }

    /// Answers requests until `stop`. Then no connection is accepted, event streams end, and requests in hand get ten
    /// seconds to end.
    ///
    /// # Errors
    /// The listener's; `PermissionDenied` when [`Server::check_exposure`] refuses its address.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) -> io::Result<()> {
        let at = listener.local_addr()?;
        Self::check_exposure(&at, &self.settings)
            .map_err(|error| io::Error::new(io::ErrorKind::PermissionDenied, error))?;
        info!(%at, "listening");
        let settings = self.settings.clone();
        tokio::select! {
            () = connections::serve(listener, self.router(stop.clone()), &settings, stop.clone()) => {}
            () = grace(stop) => warn!("requests in hand took too long to end; they are cut off"),
        }
        Ok(())
    }

    fn router(self, stop: CancellationToken) -> Router {
        let check = TokenCheck::new(self.settings.token.as_ref());
        let streams = Arc::new(Semaphore::new(STREAMS_MAX));
        let last_write = LastWrite::default();
        let app = App { deployment: self.deployment, stop, streams, last_write, waker: self.waker };
        // Layers wrap what stands above them, the fallbacks too: without the token, nobody learns what routes there are.
        let v1 = resources()
            .method_not_allowed_fallback(method_not_allowed)
            .fallback(unknown_route)
            .layer(from_fn_with_state(check, require_token));
        Router::new()
            .route("/healthz", get(health::healthz))
            .route("/readyz", get(health::readyz))
            .nest("/v1", v1)
            .method_not_allowed_fallback(method_not_allowed)
            .fallback(unknown_route)
            .layer(DefaultBodyLimit::max(JSON_MAX))
            .layer(from_fn(request_log::log))
            .with_state(app)
    }
}

fn resources() -> Router<App> {
    let apply = put(topology::apply).layer(DefaultBodyLimit::max(TOPOLOGY_MAX));
    let create_campaign = post(campaigns::create).layer(DefaultBodyLimit::max(LIST_MAX));
    Router::new()
        .route("/topology", apply.get(topology::show))
        .route("/topology/rename-endpoint", post(topology::rename_endpoint))
        .route("/tenants", post(tenants::create).get(tenants::list))
        .route("/tenants/{id}", get(tenants::show))
        .route("/tenants/{id}/moves", post(moves::start))
        .route("/tenants/{id}/pause", post(controls::pause_tenant))
        .route("/tenants/{id}/resume", post(controls::resume_tenant))
        .route("/moves", get(moves::list))
        .route("/moves/{id}", get(moves::show))
        .route("/moves/{id}/events", get(move_events::follow))
        .route("/moves/{id}/cancel", post(moves::cancel))
        .route("/moves/{id}/pause", post(controls::pause_move))
        .route("/moves/{id}/resume", post(controls::resume_move))
        .route("/moves/{id}/retry", post(controls::retry_move))
        .route("/moves/{id}/reschedule", post(moves::reschedule))
        .route("/campaigns", create_campaign.get(campaigns::list))
        .route("/campaigns/{id}", get(campaigns::show))
        .route("/campaigns/{id}/members", get(campaigns::members))
        .route("/campaigns/{id}/pause", post(campaigns::pause))
        .route("/campaigns/{id}/resume", post(campaigns::resume))
        .route("/campaigns/{id}/cancel", post(campaigns::cancel))
        .route("/removals", get(removals::list))
        .route("/removals/replay", post(removals::replay_all))
        .route("/removals/{id}", get(removals::show))
        .route("/removals/{id}/late-writes", get(removals::late_writes))
        .route("/removals/{id}/replay", post(removals::replay))
        .route("/removals/{id}/pause", post(controls::pause_removal))
        .route("/removals/{id}/resume", post(controls::resume_removal))
        .route("/removals/{id}/retry", post(controls::retry_removal))
        .route("/pause", post(controls::pause_all))
        .route("/resume", post(controls::resume_all))
        .route("/pauses", get(controls::list))
        .route("/limits", get(limits::list).put(limits::set).delete(limits::unset))
        .route("/explain/{id}", get(explain::explain))
        .route("/audit", get(audit::list))
        .route("/status", get(status::show))
        .route("/workers", get(status::list_workers))
        .route("/ids/{id}", get(status::ids))
}

async fn unknown_route() -> ApiError {
    ApiError::not_found("unknown_route", "there is nothing at this path")
}

async fn method_not_allowed() -> ApiError {
    let detail = "this path does not take that method; the Allow header names those it takes";
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}

async fn grace(stop: CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(GRACE).await;
}
