//! A front before an S3 that refuses to delete objects by the list unless the request carries `Content-MD5`, as stores that keep to the
//! first version of that call do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response, StatusCode};

use crate::Error;
use crate::fault_proxies::forward::{Forward, Reply, Whole};
use crate::fault_proxies::service::{Front, Service};
use crate::region::{Server, listen, serve_front};

/// A running front. Dropping it stops it.
#[derive(Debug)]
pub struct WantsMd5 {
    server: Server,
    seen: Arc<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    refused: AtomicU64,
    let_through: AtomicU64,
}

#[derive(Clone)]
struct Answers {
    forward: Forward,
    seen: Arc<Seen>,
}

impl WantsMd5 {
    /// Starts before `url`.
    ///
    /// # Errors
    /// No port to listen on, or a URL that is none.
    pub fn before(url: &str) -> Result<Self, Error> {
        let seen = Arc::<Seen>::default();
        let answers = Answers { forward: Forward::to(url)?, seen: Arc::clone(&seen) };
        Ok(Self { server: serve_front("md5", listen(0)?, Service(answers))?, seen })
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.server.endpoint()
    }

    /// Lists of objects to delete that were refused, and that were let through.
    #[must_use]
    pub fn deletions(&self) -> (u64, u64) {
        (self.seen.refused.load(Ordering::SeqCst), self.seen.let_through.load(Ordering::SeqCst))
    }
}

impl Front for Answers {
    async fn answer(&self, request: Whole) -> Reply {
        let query = request.uri().query().unwrap_or_default();
        let deletes =
            request.method() == Method::POST && query.split('&').any(|part| part == "delete" || part == "delete=");
        if deletes && !request.headers().contains_key("content-md5") {
            self.seen.refused.fetch_add(1, Ordering::SeqCst);
            return refusal();
        }
        if deletes {
            self.seen.let_through.fetch_add(1, Ordering::SeqCst);
        }
        self.forward.pass(request).await
    }
}

fn refusal() -> Reply {
    let body = "<Error><Code>InvalidRequest</Code><Message>Missing required header for this request: Content-MD5</Message></Error>";
    let mut reply = Response::new(body.into());
    *reply.status_mut() = StatusCode::BAD_REQUEST;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    reply
}
