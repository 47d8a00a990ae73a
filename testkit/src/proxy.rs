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
    route: watch::Sender<Route>,
    stalled: watch::Sender<bool>,
    _accepting: JoinSet<()>,
}

/// Where new connections go, and how often all were cut. One value, so that a connection can't read a target and count a cut
/// that came after it as one from before.
#[derive(Debug, Clone, Copy)]
struct Route {
    target: Option<SocketAddr>,
    cuts: u64,
    /// How often all were abandoned.
    abandoned: u64,
}

/// What every connection watches.
#[derive(Clone)]
struct Watched {
    route: watch::Receiver<Route>,
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
        let (route, route_seen) = watch::channel(Route { target, cuts: 0, abandoned: 0 });
        let (stalled, stalled_seen) = watch::channel(false);
        let mut accepting = JoinSet::new();
        let watched = Watched { route: route_seen, stalled: stalled_seen };
        accepting.spawn(accept(listener, watched));
        Ok(Self { port, route, stalled, _accepting: accepting })
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// New connections go there from now on. Existing ones stay as they are: see [`Self::cut`].
    pub fn set_target(&self, target: Option<SocketAddr>) {
        self.route.send_modify(|route| route.target = target);
    }

    /// Ends every connection.
    pub fn cut(&self) {
        self.route.send_modify(|route| route.cuts += 1);
    }

    /// Every connection stays open and says nothing any more, as when the machine behind it is gone; new ones pass.
    pub fn abandon(&self) {
        self.route.send_modify(|route| route.abandoned += 1);
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
    let Route { target, cuts, abandoned } = *watched.route.borrow();
    let Some(target) = target else { return };
    let Ok(server) = TcpStream::connect(target).await else { return };
    let small_pieces_at_once = client.set_nodelay(true).and_then(|()| server.set_nodelay(true));
    if small_pieces_at_once.is_err() {
        return;
    }
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let changed = watched.route.wait_for(|route| route.cuts != cuts || route.abandoned != abandoned);
    let passing = async {
        tokio::select! {
            () = pump(&mut from_client, &mut to_server, watched.stalled.clone()) => {}
            () = pump(&mut from_server, &mut to_client, watched.stalled.clone()) => {}
        }
    };
    tokio::select! {
        () = passing => return,
        _ = changed => {}
    }
    // Abandoned: both ends stay open until they are cut.
    let _ = watched.route.wait_for(|route| route.cuts != cuts).await;
}

async fn pump(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, mut stalled: watch::Receiver<bool>) {
    let mut buffer = vec![0; BUFFER];
    loop {
        let Ok(length @ 1..) = from.read(&mut buffer).await else { return };
        if stalled.wait_for(|stalled| !stalled).await.is_err() || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use super::*;

    /// Says its name to whoever connects, and holds the connection.
    fn say(name: u8) -> (SocketAddr, tokio::task::JoinHandle<()>) {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        listener.set_nonblocking(true).expect("it can be asked");
        let address = listener.local_addr().expect("it has an address");
        let saying = tokio::spawn(async move {
            let listener = TcpListener::from_std(listener).expect("it listens");
            let mut held = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                if stream.write_all(&[name]).await.is_ok() {
                    held.push(stream);
                }
            }
        });
        (address, saying)
    }

    /// Clients connect without a pause while the target changes and everything is cut, again and again: who was led to the old
    /// target, whenever it came, is cut off from it.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn no_connection_to_the_old_target_survives_a_cut() {
        const ROUNDS: u8 = 200;
        let ((one, saying_one), (other, saying_other)) = (say(1), say(2));
        for round in 0..ROUNDS {
            let proxy = Proxy::start(Some(one)).await.expect("it listens");
            let (port, stop) = (proxy.port(), AtomicBool::new(false));
            let survivors = std::thread::scope(|scope| {
                let clients: Vec<_> = (0..2).map(|_| scope.spawn(|| connect_until(port, &stop))).collect();
                for _ in 0..u32::from(round) * 200 {
                    std::hint::spin_loop();
                }
                proxy.set_target(Some(other));
                proxy.cut();
                stop.store(true, Ordering::SeqCst);
                let connected = clients.into_iter().flat_map(|client| client.join().expect("no panic"));
                connected.filter(is_held_by_the_old_one).count()
            });
            assert_eq!(survivors, 0, "in round {round}");
        }
        saying_one.abort();
        saying_other.abort();
    }

    fn connect_until(port: u16, stop: &AtomicBool) -> Vec<std::net::TcpStream> {
        let mut connected = Vec::new();
        while !stop.load(Ordering::SeqCst) && connected.len() < 50 {
            connected.push(std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it connects"));
        }
        connected
    }

    /// Whether the connection was led to the old target and still stands: it is read until it ends; one that is cut ends soon, so that
    /// nobody waits as long as this for it.
    fn is_held_by_the_old_one(mut stream: &std::net::TcpStream) -> bool {
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        let mut name = [0];
        if !matches!(stream.read(&mut name), Ok(1)) || name != [1] {
            return false;
        }
        let then = stream.read(&mut name);
        matches!(then, Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }
}
