//! Runs one server on one thread until it is dropped. It knows nothing of what the servers answer.

use std::error::Error as StdError;
use std::future::Future;
use std::net::TcpListener as BoundListener;
use std::thread::JoinHandle;
use std::time::Duration;

use dynoxide::Database;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::HttpService;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::clock::{Dated, ServerClock};
use crate::Error;
use crate::s3::Embedded;

/// How long requests under way may take to finish once a server is told to stop. A client that sent half a request
/// would hold it for ever otherwise.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// After a failed accept, such as for want of file descriptors: trying again at once would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// A server on its own thread; dropping it stops the server and joins the thread.
///
/// A thread each, with a single-threaded runtime: the embedded stores block the thread that serves them.
#[derive(Debug)]
pub(crate) struct Server {
    endpoint: String,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    fn start<F>(
        name: &str,
        bound: BoundListener,
        serve: impl FnOnce(TcpListener, CancellationToken) -> F,
    ) -> Result<Self, Error>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let address = bound.local_addr().map_err(Error::doing("read the listener's address"))?;
        bound.set_nonblocking(true).map_err(Error::doing("make the listener non-blocking"))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Error::doing(format!("start the runtime of {name}")))?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(bound).map_err(Error::doing("hand the listener to the runtime"))?
        };
        let stop = CancellationToken::new();
        let serving = serve(listener, stop.clone());
        let stopped = stop.clone();
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = serving => {}
                        () = async { stopped.cancelled().await; tokio::time::sleep(STOP_GRACE).await } => {}
                    }
                });
            })
            .map_err(Error::doing(format!("start the thread of {name}")))?;
        Ok(Self { endpoint: format!("http://{address}"), stop, thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(endpoint = self.endpoint, "the server's thread panicked");
        }
    }
}

/// Serves the embedded DynamoDB.
pub(super) fn dynamodb(region: &str, listener: BoundListener, database: Database) -> Result<Server, Error> {
    Server::start(&format!("{region}-dynamodb"), listener, |listener, stop| async move {
        if let Err(error) = dynoxide::server::serve_with_shutdown(listener, database, stop.cancelled_owned()).await {
            tracing::error!(error, "the embedded DynamoDB stopped");
        }
    })
}

/// Serves a front: what stands before an embedded store, or before another front.
pub(crate) fn front<S>(name: &str, listener: BoundListener, service: S) -> Result<Server, Error>
where
    S: HttpService<Incoming> + Clone + Send + 'static,
    S::Future: Send,
    S::ResBody: Send + 'static,
    <S::ResBody as Body>::Data: Send,
    <S::ResBody as Body>::Error: Into<Box<dyn StdError + Send + Sync>>,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    Server::start(name, listener, |listener, stop| accept(listener, service, stop))
}

/// The same with the time of this clock on its answers.
pub(crate) fn dated_front<S, B>(
    name: &str,
    listener: BoundListener,
    service: S,
    clock: ServerClock,
) -> Result<Server, Error>
where
    S: hyper::service::Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    front(name, listener, Dated { service, clock })
}

/// Serves the embedded S3, which accepts requests signed at most `age` ago.
pub(super) fn s3(
    region: &str,
    listener: BoundListener,
    embedded: Embedded,
    (age, clock): (Duration, ServerClock),
) -> Result<Server, Error> {
    dated_front(&format!("{region}-s3"), listener, embedded.into_service(age), clock)
}

async fn accept<S>(listener: TcpListener, service: S, stop: CancellationToken)
where
    S: HttpService<Incoming> + Clone + Send + 'static,
    S::Future: Send,
    S::ResBody: Send + 'static,
    <S::ResBody as Body>::Data: Send,
    <S::ResBody as Body>::Error: Into<Box<dyn StdError + Send + Sync>>,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => { connections.spawn(connection(stream, service.clone(), stop.clone())); }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// The error by which a service asks for its connection to be reset, without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is to be reset")]
pub(crate) struct Reset;

async fn connection<S>(mut stream: TcpStream, service: S, stop: CancellationToken)
where
    S: HttpService<Incoming>,
    S::ResBody: 'static,
    <S::ResBody as Body>::Error: Into<Box<dyn StdError + Send + Sync>>,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection stays without TCP_NODELAY");
    }
    let ended = {
        let serving =
            http1::Builder::new().auto_date_header(false).serve_connection(TokioIo::new(&mut stream), service);
        let mut serving = std::pin::pin!(serving);
        tokio::select! {
            ended = serving.as_mut() => ended,
            () = stop.cancelled() => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        }
    };
    let Err(error) = ended else { return };
    tracing::debug!(%error, "a connection ended early");
    if error.source().is_some_and(|source| source.is::<Reset>())
        && let Err(error) = stream.set_zero_linger()
    {
        tracing::warn!(%error, "a connection is closed instead of reset");
    }
}
