//! The service as HTTP: reads a request whole, meets the fault that a test put in its way, and answers.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::service::Service;
use hyper::{Request, Response};
use serde_json::json;

use super::Shared;
use super::faults::Fault;
use super::received::Received;
use super::reply::Reply;
use crate::Error;

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
                Ok(crate::fault_proxies::forward::of_a_gateway(status).map(Full::new))
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
