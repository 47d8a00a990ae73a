//! The connections of the API: how many there may be, how long one may say nothing, and who has to go when there are too many. Whoever has
//! shown that it may ask keeps its connection; of the others the oldest makes room for a new one, which may be an operator's.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tower_service::Service as _;
use tracing::{debug, error, warn};

use crate::principal::Peer;
use crate::settings::ServerSettings;
use crate::tls::{self, ShownCertificate, Tls};

/// The wait after a connection could not be accepted: this process or machine has too many files open.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Who was let in with the last request on this connection; empty for those who share a token.
#[derive(Debug, Clone, Default)]
pub(crate) struct LetIn(Arc<Mutex<Option<String>>>);

impl LetIn {
    pub(crate) fn note(&self, caller: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(caller);
    }

    pub(crate) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn noted(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The connections that are open, by the order in which they came.
#[derive(Debug, Default)]
struct Open(Mutex<BTreeMap<u64, (LetIn, CancellationToken)>>);

impl Open {
    fn add(&self, number: u64, let_in: LetIn, end: CancellationToken) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(number, (let_in, end));
    }

    fn remove(&self, number: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
    }

    /// If there are as many as there may be, ends the oldest of which nobody was let in, or else the oldest of a caller that has more than
    /// half of them; `false`: there is no such, and no room.
    fn make_room(&self, most: usize) -> bool {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() < most {
            return true;
        }
        let callers: Vec<(u64, Option<String>)> =
            open.iter().map(|(number, (let_in, _))| (*number, let_in.noted())).collect();
        let Some(oldest) = whose_turn_it_is(&callers, most) else { return false };
        if let Some((_, end)) = open.remove(&oldest) {
            end.cancel();
        }
        true
    }
}

/// Which of the connections, given in the order in which they came, makes room.
fn whose_turn_it_is(callers: &[(u64, Option<String>)], most: usize) -> Option<u64> {
    if let Some((number, _)) = callers.iter().find(|(_, caller)| caller.is_none()) {
        return Some(*number);
    }
    let mut counts = BTreeMap::<&str, usize>::new();
    for caller in callers.iter().filter_map(|(_, caller)| caller.as_deref()) {
        *counts.entry(caller).or_default() += 1;
    }
    // Who shares a token has no share of its own.
    let greedy = counts.into_iter().find(|(caller, count)| !caller.is_empty() && *count > most / 2)?.0;
    callers.iter().find(|(_, caller)| caller.as_deref() == Some(greedy)).map(|(number, _)| *number)
}

/// A connection's place, free again once it is dropped: also if a handler panics.
struct Place(Arc<Open>, u64);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.remove(self.1);
    }
}

/// Serves `router` until `stop`; then the requests in hand are answered and all connections end.
pub(crate) async fn serve(listener: TcpListener, router: Router, settings: &ServerSettings, stop: CancellationToken) {
    let most = settings.connections;
    let speaking = Speaking { router, headers_within: settings.headers_within, tls: settings.tls.clone() };
    let open = Arc::new(Open::default());
    let mut serving = JoinSet::new();
    let mut number = 0;
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        while let Some(ended) = serving.try_join_next() {
            report(ended);
        }
        let (stream, peer) = match accepted {
            Ok((stream, at)) => (stream, Peer(at.ip().to_canonical())),
            Err(error) => {
                not_accepted(&error, &open).await;
                continue;
            }
        };
        if !open.make_room(most) {
            warn!(connections = most, "a connection is refused: all are in use by clients that were let in");
            continue;
        }
        number += 1;
        let (let_in, end) = (LetIn::default(), CancellationToken::new());
        open.add(number, let_in.clone(), end.clone());
        let place = Place(Arc::clone(&open), number);
        let (speaking, stop) = (speaking.clone(), stop.clone());
        serving.spawn(async move {
            let _place = place;
            // What is served is dropped where it stands if it has to make room.
            end.run_until_cancelled(serve_one((stream, peer), speaking, let_in, &stop)).await;
        });
    }
    drop(listener);
    while let Some(ended) = serving.join_next().await {
        report(ended);
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        error!(%error, "a bug in realmctl: a request panicked; the log has the place");
    }
}

async fn not_accepted(error: &io::Error, open: &Open) {
    let of_the_client = [io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionReset, io::ErrorKind::Interrupted];
    if of_the_client.contains(&error.kind()) {
        return;
    }
    warn!(%error, "a connection can't be accepted: the oldest one without an accepted request is closed, if there is one");
    open.make_room(0);
    tokio::time::sleep(ACCEPT_AGAIN).await;
}

/// What is spoken on a connection, and how.
#[derive(Clone)]
struct Speaking {
    router: Router,
    headers_within: Duration,
    tls: Option<Arc<Tls>>,
}

async fn serve_one((stream, peer): (TcpStream, Peer), speaking: Speaking, let_in: LetIn, stop: &CancellationToken) {
    // Events are small and should not wait for each other. A connection that is gone already fails by itself.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "a connection ended as it began");
    }
    let Some(tls) = &speaking.tls else { return speak(stream, (let_in, peer, None), &speaking, stop).await };
    let accepted = stop.run_until_cancelled(tls::accept(tls, stream, speaking.headers_within)).await;
    if let Some(Some((stream, shown))) = accepted {
        speak(stream, (let_in, peer, shown), &speaking, stop).await;
    }
}

async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    (let_in, peer, shown): (LetIn, Peer, Option<ShownCertificate>),
    speaking: &Speaking,
    stop: &CancellationToken,
) {
    let router = speaking.router.clone();
    let answer = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(let_in.clone());
        request.extensions_mut().insert(peer);
        if let Some(shown) = shown.clone() {
            request.extensions_mut().insert(shown);
        }
        router.clone().call(request)
    });
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(speaking.headers_within);
    let connection = builder.serve_connection(TokioIo::new(stream), answer);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_make_room_first_and_then_whoever_has_more_than_half() {
        let of = |callers: &[Option<&str>]| {
            let callers: Vec<_> = (0..).zip(callers).map(|(n, caller)| (n, caller.map(str::to_owned))).collect();
            whose_turn_it_is(&callers, 4)
        };
        let (a, b, shared) = (Some("a"), Some("b"), Some(""));
        assert_eq!(of(&[a, None, a, a]), Some(1));
        assert_eq!(of(&[b, a, a, a]), Some(1));
        assert_eq!(of(&[a, a, b, b]), None);
        assert_eq!(of(&[shared, shared, shared, shared]), None);
    }
}
