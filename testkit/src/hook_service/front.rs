//! The service as HTTP: reads a request whole, meets the fault that a test put in its way, and answers.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::service::Service;
use hyper::{Request, Response};
use serde_json::{Value, json};

use super::answers::Reply;
use super::faults::Fault;
use super::{PATH, Shared};
use crate::Error;

/// A request as it was sent.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(super) method: String,
    /// With the query.
    pub(super) path: String,
    pub(super) body: Bytes,
    pub(super) timestamp: String,
    pub(super) delivery: String,
    pub(super) signature: String,
}

impl Received {
    async fn read(request: Request<Incoming>) -> Result<Self, Error> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(Error::doing("read a request"))?.to_bytes();
        let header = |name: &str| {
            let value = head.headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        Ok(Self {
            method: head.method.to_string(),
            path: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
            body,
            timestamp: header("realmctl-timestamp"),
            delivery: header("realmctl-delivery"),
            signature: header("realmctl-signature"),
        })
    }

    /// The last part of the path; empty when it is not the service's.
    pub(super) fn hook(&self) -> &str {
        let path = self.path.split('?').next().unwrap_or_default();
        path.strip_prefix(PATH).and_then(|rest| rest.strip_prefix('/')).unwrap_or_default()
    }

    /// The query as the body of another request would say it.
    pub(super) fn query(&self) -> Value {
        let query = self.path.split_once('?').map(|(_, query)| query).unwrap_or_default();
        let pairs = form_urlencoded::parse(query.as_bytes()).map(|(name, value)| {
            let number = value.parse::<i64>().ok().filter(|_| name == "generation").map(Value::from);
            (name.into_owned(), number.unwrap_or_else(|| Value::from(value.into_owned())))
        });
        Value::Object(pairs.collect())
    }
}

/// What the connections are served by.
#[derive(Debug, Clone)]
pub(crate) struct Front(pub(super) Arc<Shared>);

impl Front {
    /// An error ends the connection without an answer.
    async fn handle(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Error> {
        let received = Received::read(request).await?;
        let fault = self.0.inside().fault(&received);
        match fault {
            None | Some(Fault::Break(_)) => Ok(response(&self.0.answer(&received))),
            Some(Fault::Status(status)) => {
                Ok(response(&Reply { status, body: json!({ "reason": "as the test wants" }) }))
            }
            Some(Fault::Refuse(reason)) => Ok(response(&Reply::refused(409, "refused", &reason))),
            Some(Fault::Later) => Ok(response(&Reply { status: 202, body: json!({}) })),
            Some(Fault::Nonsense) => Ok(response(&Reply { status: 200, body: json!("<html>") })),
            Some(Fault::Silence) => std::future::pending().await,
            Some(Fault::Cut) => Err(Error::plain("the connection is cut before")),
            Some(Fault::LoseAnswer) => {
                self.0.answer(&received);
                Err(Error::plain("the connection is cut after"))
            }
            Some(Fault::Hold) => {
                self.0.inside().held.push(received);
                std::future::pending().await
            }
            Some(Fault::Gateway(status)) => {
                self.0.inside().held.push(received);
                Ok(crate::fronts::forward::of_a_gateway(status).map(Full::new))
            }
        }
    }
}

impl Service<Request<Incoming>> for Front {
    type Response = Response<Full<Bytes>>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Error>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        Box::pin(self.clone().handle(request))
    }
}

fn response(reply: &Reply) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(reply.body.to_string())));
    *response.status_mut() = hyper::StatusCode::from_u16(reply.status).expect("tests ask for real statuses");
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if (300..400).contains(&reply.status) {
        response.headers_mut().insert(LOCATION, HeaderValue::from_static("/realm-moves/commit"));
    }
    response
}
