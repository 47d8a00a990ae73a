//! What stands before the embedded DynamoDB: it refuses requests that were signed too long ago, in AWS's words, and can
//! hold a write up. Everything else is passed on as it is.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::primitives::{DateTime, DateTimeFormat};
use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::service::Service;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::gate::Gate;
use super::serving::Server;

type Whole = Request<Full<Bytes>>;
type Reply = Response<Full<Bytes>>;

/// The service.
#[derive(Clone)]
pub(super) struct Front {
    behind: Uri,
    age: Duration,
    gate: Gate,
    client: Client<HttpConnector, Full<Bytes>>,
    held: Arc<Mutex<JoinSet<()>>>,
}

impl Front {
    pub(super) fn new(behind: &Server, age: Duration, gate: Gate) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let behind = behind.endpoint().parse().expect("a server's endpoint is a URL");
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { behind, age, gate, client, held: Arc::default() }
    }

    async fn handle(self, request: Request<Incoming>) -> Reply {
        let is_write = request
            .headers()
            .get("x-amz-target")
            .is_some_and(|target| target.to_str().is_ok_and(|target| target.ends_with(".BatchWriteItem")));
        let (head, body) = request.into_parts();
        let Ok(body) = body.collect().await else { return Reply::default() };
        let request = Request::from_parts(head, Full::new(body.to_bytes()));
        if is_write && self.gate.catches() { self.hold(request).await } else { self.pass(request).await }
    }

    /// The request goes on when the gate is opened, even if its sender has long given up.
    async fn hold(&self, request: Whole) -> Reply {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let front = self.clone();
        self.held.lock().await.spawn(async move {
            front.gate.opened().await;
            let (head, body) = front.pass(request).await.into_parts();
            let bytes = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            front.gate.answered((head.status.as_u16(), String::from_utf8_lossy(&bytes).into_owned()));
            // Nobody may be waiting any more.
            drop(sender.send(Response::from_parts(head, Full::new(bytes))));
        });
        receiver.await.unwrap_or_default()
    }

    async fn pass(&self, mut request: Whole) -> Reply {
        let signed = request.headers().get("x-amz-date").and_then(|date| date.to_str().ok());
        if let Some(refusal) = signed.and_then(|date| refusal(date, SystemTime::now(), self.age)) {
            return json(StatusCode::BAD_REQUEST, refusal);
        }
        *request.uri_mut() = self.behind.clone();
        let failed = |error: String| json(StatusCode::INTERNAL_SERVER_ERROR, error);
        match self.client.request(request).await {
            Ok(answer) => {
                let (head, body) = answer.into_parts();
                match body.collect().await {
                    Ok(body) => Response::from_parts(head, Full::new(body.to_bytes())),
                    Err(error) => failed(error.to_string()),
                }
            }
            Err(error) => failed(error.to_string()),
        }
    }
}

impl Service<Request<Incoming>> for Front {
    type Response = Reply;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Reply, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let front = self.clone();
        Box::pin(async move { Ok(front.handle(request).await) })
    }
}

fn json(status: StatusCode, body: String) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(body)));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/x-amz-json-1.0"));
    reply
}

/// What DynamoDB answers when `signed` (`x-amz-date`) is further from `now` than `age`; `None` when it is not.
fn refusal(signed: &str, now: SystemTime, age: Duration) -> Option<String> {
    let at = read(signed)?;
    let minutes = age.as_secs_f64() / 60.0;
    let message = if now.duration_since(at).is_ok_and(|old| old > age) {
        let bound = write(now - age);
        format!("Signature expired: {signed} is now earlier than {bound} ({} - {minutes} min.)", write(now))
    } else if at.duration_since(now).is_ok_and(|early| early > age) {
        let bound = write(now + age);
        format!("Signature not yet current: {signed} is still later than {bound} ({} + {minutes} min.)", write(now))
    } else {
        return None;
    };
    let kind = "com.amazon.coral.service#InvalidSignatureException";
    Some(serde_json::json!({ "__type": kind, "message": message }).to_string())
}

/// `20260101T000000Z` as a time.
fn read(compact: &str) -> Option<SystemTime> {
    let part = |from: usize, to: usize| compact.get(from..to);
    let (date, time) = ((part(0, 4)?, part(4, 6)?, part(6, 8)?), (part(9, 11)?, part(11, 13)?, part(13, 15)?));
    let text = format!("{}-{}-{}T{}:{}:{}Z", date.0, date.1, date.2, time.0, time.1, time.2);
    SystemTime::try_from(DateTime::from_str(&text, DateTimeFormat::DateTime).ok()?).ok()
}

/// A time as `20260101T000000Z`.
fn write(time: SystemTime) -> String {
    let whole = DateTime::from_secs(DateTime::from(time).secs());
    let text = whole.fmt(DateTimeFormat::DateTime).unwrap_or_default();
    text.replace(['-', ':'], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_refused_once_it_is_older_than_allowed_or_from_the_future() {
        let now = read("20260101T001500Z").expect("a date");
        let five = Duration::from_secs(300);
        assert_eq!(refusal("20260101T001000Z", now, five), None);
        assert_eq!(refusal("20260101T002000Z", now, five), None);
        let old = refusal("20260101T000959Z", now, five).expect("too old");
        let said =
            "Signature expired: 20260101T000959Z is now earlier than 20260101T001000Z (20260101T001500Z - 5 min.)";
        assert!(old.contains(said), "{old}");
        let early = refusal("20260101T002001Z", now, five).expect("not yet");
        assert!(early.contains("Signature not yet current: 20260101T002001Z"), "{early}");
        assert_eq!(refusal("20200101T000000Z", now, Duration::MAX), None);
    }
}
