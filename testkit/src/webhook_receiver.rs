//! A receiver of webhooks, written from `docs/guides/webhooks.md` alone: it checks signatures with other code than makes them, notes what it
//! was told, and answers as badly as tests want.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::Error;
use crate::hook_service::{Received, is_genuine};

/// The path that it is called at.
const PATH: &str = "/told";

/// How old a request may be.
const AGE: Duration = Duration::from_secs(300);

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// With this status. A redirect leads to itself.
    Status(u16),
    /// Never: the caller is lost before it hears an answer.
    Silence,
}

/// What it was told.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// The id of the event.
    pub id: String,
    /// Its type.
    pub event: String,
    /// Its number.
    pub seq: i64,
    /// The nonce of the attempt.
    pub delivery: String,
    /// The body.
    pub body: Value,
    /// Whether its signature is right and its time recent.
    pub is_genuine: bool,
    /// How it was answered.
    pub answer: Answer,
}

#[derive(Debug, Default)]
struct Inside {
    told: Vec<Told>,
    answers: VecDeque<Answer>,
    always: Option<Answer>,
}

/// A running receiver. Dropping it stops it.
#[derive(Debug)]
pub struct WebhookReceiver {
    at: SocketAddr,
    inside: Arc<Mutex<Inside>>,
    serving: JoinHandle<()>,
}

impl WebhookReceiver {
    /// Listens on loopback. `secret` is what it shares with the caller.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start(secret: &'static str) -> Result<Self, Error> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(Error::doing("listen"))?;
        let at = listener.local_addr().map_err(Error::doing("listen"))?;
        let inside = Arc::new(Mutex::new(Inside::default()));
        let shared = Arc::clone(&inside);
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    let service = service_fn(|request| take(Arc::clone(&shared), secret, request));
                    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
                });
            }
        });
        Ok(Self { at, inside, serving })
    }

    /// Where it is called.
    pub fn url(&self) -> String {
        format!("http://{}{PATH}", self.at)
    }

    /// What it was told so far, in order.
    pub fn told(&self) -> Vec<Told> {
        lock(&self.inside).told.clone()
    }

    /// Answers the next ones so, one each; 204 afterwards.
    pub fn answer_next(&self, answers: impl IntoIterator<Item = Answer>) {
        lock(&self.inside).answers.extend(answers);
    }

    /// Answers all so, until it is told otherwise.
    pub fn answer_always(&self, answer: Option<Answer>) {
        lock(&self.inside).always = answer;
    }
}

impl Drop for WebhookReceiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn lock(inside: &Mutex<Inside>) -> MutexGuard<'_, Inside> {
    inside.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

async fn take(
    inside: Arc<Mutex<Inside>>,
    secret: &str,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let header = |name: &str| {
        let value = request.headers().get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let (id, event, seq) = (header("realmctl-event-id"), header("realmctl-event"), header("realmctl-seq"));
    let delivery = header("realmctl-delivery");
    let Ok(received) = Received::read(request).await else { return Ok(Response::default()) };
    let answer = {
        let mut inside = lock(&inside);
        let next = inside.answers.pop_front();
        let answer = next.or(inside.always).unwrap_or(Answer::Status(204));
        inside.told.push(Told {
            id,
            event,
            seq: seq.parse().unwrap_or(-1),
            delivery,
            body: serde_json::from_slice(received.body()).unwrap_or_default(),
            is_genuine: is_genuine(&received, secret, AGE),
            answer,
        });
        answer
    };
    match answer {
        Answer::Silence => std::future::pending().await,
        Answer::Status(status) => {
            let mut response = Response::new(Full::default());
            *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
            if (300..400).contains(&status) {
                let here = hyper::header::HeaderValue::from_static(PATH);
                response.headers_mut().insert(hyper::header::LOCATION, here);
            }
            Ok(response)
        }
    }
}
