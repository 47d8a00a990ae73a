//! A TCP proxy on loopback whose connections a test can cut or stall, and whose target it can change.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::Error;

const BUFFER: usize = 16 * 1024;

/// A running proxy. Dropping it ends it and every connection through it.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    target: watch::Sender<Option<SocketAddr>>,
    cut: watch::Sender<u64>,
    stalled: watch::Sender<bool>,
    _accepting: JoinSet<()>,
}

/// What every connection watches.
#[derive(Clone)]
struct Watched {
    target: watch::Receiver<Option<SocketAddr>>,
    cut: watch::Receiver<u64>,
    stalled: watch::Receiver<bool>,
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1 and passes on to `target`; without one, each connection is closed at once.
    ///
    /// # Errors
    /// No port to listen on.
    pub async fn start(target: Option<SocketAddr>) -> Result<Self, Error> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(Error::doing("listen as a proxy"))?;
        let port = listener.local_addr().map_err(Error::doing("ask for the proxy's port"))?.port();
        let (target, target_seen) = watch::channel(target);
        let (cut, cut_seen) = watch::channel(0);
        let (stalled, stalled_seen) = watch::channel(false);
        let mut accepting = JoinSet::new();
        let watched = Watched { target: target_seen, cut: cut_seen, stalled: stalled_seen };
        accepting.spawn(accept(listener, watched));
        Ok(Self { port, target, cut, stalled, _accepting: accepting })
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// New connections go there from now on. Existing ones stay as they are: see [`Self::cut`].
    pub fn set_target(&self, target: Option<SocketAddr>) {
        self.target.send_replace(target);
    }

    /// Ends every connection.
    pub fn cut(&self) {
        self.cut.send_modify(|times| *times += 1);
    }

    /// From now on, or no longer, nothing passes: connections stay open and say nothing, as when a cable is pulled.
    pub fn stall(&self, stalled: bool) {
        self.stalled.send_replace(stalled);
    }
}

async fn accept(listener: TcpListener, watched: Watched) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(pass(stream, watched.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Passes bytes both ways until one side ends, or the connection is cut.
async fn pass(client: TcpStream, mut watched: Watched) {
    let Some(target) = *watched.target.borrow() else { return };
    watched.cut.mark_unchanged();
    let Ok(server) = TcpStream::connect(target).await else { return };
    let small_pieces_at_once = client.set_nodelay(true).and_then(|()| server.set_nodelay(true));
    if small_pieces_at_once.is_err() {
        return;
    }
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::select! {
        _ = watched.cut.changed() => {}
        () = pump(from_client, to_server, watched.stalled.clone()) => {}
        () = pump(from_server, to_client, watched.stalled.clone()) => {}
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut stalled: watch::Receiver<bool>) {
    let mut buffer = vec![0; BUFFER];
    loop {
        let Ok(length @ 1..) = from.read(&mut buffer).await else { return };
        if stalled.wait_for(|stalled| !stalled).await.is_err() || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
