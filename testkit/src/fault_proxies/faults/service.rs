//! Does to one request what was drawn for it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::header::CONTENT_LENGTH;
use hyper::{Method, Request, Response, StatusCode};

use crate::fault_proxies::faults::{Effect, Fault, Shared};
use crate::fault_proxies::forward::{Forward, Reply, json, of_a_gateway, operation, sent, whole};
use crate::region::Reset;

#[derive(Clone)]
pub(super) struct Service {
    shared: Arc<Shared>,
    forward: Forward,
}

pub(super) type Answer = Response<Either<Full<Bytes>, Half>>;

impl Service {
    pub(super) fn new(shared: Arc<Shared>, forward: Forward) -> Self {
        Self { shared, forward }
    }

    async fn handle(self, request: Request<Incoming>) -> Result<Answer, Reset> {
        let request = whole(request).await.ok_or(Reset)?;
        let (delay, fault) = self.shared.with(super::State::next);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        // Of an answer to a HEAD nothing can be missing but all of it.
        let has_body = request.method() != Method::HEAD;
        let speaks_json = !operation(request.headers()).is_empty();
        let has_effect = !matches!(
            fault,
            Some(
                Fault::ServerError(Effect::None)
                    | Fault::Gateway(Effect::None)
                    | Fault::Reset(Effect::None)
                    | Fault::Timeout(Effect::None)
            )
        );
        let reply = if has_effect { Some(self.forward.pass(request).await) } else { None };
        match (fault, reply) {
            (None, Some(reply)) => Ok(sent(reply).map(Either::Left)),
            (Some(Fault::Truncated), Some(reply)) if has_body => Ok(half(reply)),
            (Some(Fault::Timeout(_)), _) => {
                self.shared.stopping.cancelled().await;
                Err(Reset)
            }
            (Some(Fault::ServerError(_)), _) => Ok(sent(server_error(speaks_json)).map(Either::Left)),
            (Some(Fault::Gateway(effect)), _) => {
                let status = if effect == Effect::Done { 504 } else { 502 };
                Ok(sent(of_a_gateway(status)).map(Either::Left))
            }
            (Some(Fault::Reset(_) | Fault::Truncated), _) | (_, None) => Err(Reset),
        }
    }
}

impl hyper::service::Service<Request<Incoming>> for Service {
    type Response = Answer;
    type Error = Reset;
    type Future = BoxFuture<'static, Result<Answer, Reset>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        Box::pin(self.clone().handle(request))
    }
}

/// In the words of DynamoDB or of S3 (API Reference, "Common errors", and "Error responses").
fn server_error(speaks_json: bool) -> Reply {
    if speaks_json {
        let body =
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"Internal server error"}"#;
        json(StatusCode::INTERNAL_SERVER_ERROR, body)
    } else {
        let body = "<Error><Code>InternalError</Code><Message>We encountered an internal error. Please try again.</Message></Error>";
        let mut reply = Response::new(Bytes::from(body));
        *reply.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        reply
    }
}

/// Announces the whole answer and breaks off in its middle. An answer without a body loses the connection instead.
fn half(reply: Reply) -> Answer {
    let (mut head, body) = reply.into_parts();
    head.headers.insert(CONTENT_LENGTH, body.len().max(1).into());
    Response::from_parts(head, Either::Right(Half { rest: Some(body.slice(..body.len() / 2)), waited: false }))
}

/// The first half of a body, then an error.
pub(super) struct Half {
    rest: Option<Bytes>,
    waited: bool,
}

impl Body for Half {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if let Some(half) = self.rest.take() {
            return Poll::Ready(Some(Ok(Frame::data(half))));
        }
        if !self.waited {
            // hyper sends what it has before it asks again.
            self.waited = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(Broken)))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the answer breaks off here")]
pub(super) struct Broken;
