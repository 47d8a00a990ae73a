//! The server: how it listens, and how it stops.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use workflows::Deployment;

use crate::app_state::App;
use crate::settings::{self, ExposureError, ServerSettings};
use crate::{connections, routes};

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

    /// Refuses a public address where callers need not show anything.
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
        info!(%at, tls = self.settings.tls.is_some(), "listening");
        if settings::exposes_tokens(&at, &self.settings) {
            warn!(
                "tokens travel to this address in clear: give the server a certificate with --tls-cert and --tls-key, or put a proxy \
                 that ends TLS in front of it and keep the port itself private"
            );
        }
        let app = App::new(self.deployment, self.waker, stop.clone(), &self.settings);
        let router = routes::router(app, &self.settings);
        tokio::select! {
            () = connections::serve(listener, router, &self.settings, stop.clone()) => {}
            () = keep_tls_fresh(&self.settings, &stop) => {}
            () = grace(stop.clone()) => warn!("requests in hand took too long to end; they are cut off"),
        }
        Ok(())
    }
}

/// Looks at the files of TLS for as long as anything is served.
async fn keep_tls_fresh(settings: &ServerSettings, stop: &CancellationToken) {
    if let Some(tls) = &settings.tls {
        tls.watch(stop).await;
    }
    std::future::pending::<()>().await;
}

async fn grace(stop: CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(GRACE).await;
}
