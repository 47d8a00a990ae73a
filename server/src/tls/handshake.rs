//! The handshake of a connection. It has as long as a client may take to say what it wants, and who speaks plain HTTP is told so.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::debug;

use super::Tls;
use super::shown::ShownCertificate;
use crate::api::PROBLEM_JSON;
use crate::problem::ApiError;

/// What a refused client may still send before it has heard of it.
const HEARD_WITHIN: u64 = 16 << 10;

/// The connection and the certificate that the client has shown; none: there was no handshake in time.
pub(crate) async fn accept(
    tls: &Arc<Tls>,
    stream: TcpStream,
    within: Duration,
) -> Option<(TlsStream<TcpStream>, Option<ShownCertificate>)> {
    let accepted = tokio::time::timeout(within, shake_hands(tls, stream)).await;
    accepted.unwrap_or_else(|_| {
        debug!("a connection ended: there was no TLS handshake in time");
        None
    })
}

async fn shake_hands(tls: &Arc<Tls>, stream: TcpStream) -> Option<(TlsStream<TcpStream>, Option<ShownCertificate>)> {
    let mut first = [0; 1];
    if stream.peek(&mut first).await.ok()? == 1 && first[0].is_ascii_alphabetic() {
        refuse_plain_http(stream).await;
        return None;
    }
    let acceptor = TlsAcceptor::from(Arc::clone(&tls.in_use().config));
    match acceptor.accept(stream).into_fallible().await {
        Ok(stream) => {
            let chain = stream.get_ref().1.peer_certificates().filter(|chain| !chain.is_empty());
            let shown = chain.map(|chain| ShownCertificate::new(chain.to_vec(), Arc::clone(tls)));
            Some((stream, shown))
        }
        Err((error, stream)) => {
            debug!(%error, "a connection ended with its TLS handshake");
            end(stream).await;
            None
        }
    }
}

async fn refuse_plain_http(mut stream: TcpStream) {
    debug!("a connection ended: the client speaks plain HTTP to a port that speaks TLS");
    let detail = "this server speaks TLS: address it as https:// (clients: --server or REALMCTL_SERVER)";
    let problem = ApiError::invalid("tls_required", detail).into_problem();
    let Ok(body) = serde_json::to_string(&problem) else { return };
    let head = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: {PROBLEM_JSON}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    // Who does not wait for the answer goes without.
    if stream.write_all((head + &body).as_bytes()).await.is_ok() {
        end(stream).await;
    }
}

/// Ends it so that the client can read what it was told last: closing while it still sends would take that back.
async fn end(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    if stream.shutdown().await.is_ok() {
        // Whatever comes is of no interest.
        drop(tokio::io::copy(&mut stream.take(HEARD_WITHIN), &mut tokio::io::sink()).await);
    }
}
