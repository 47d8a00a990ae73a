//! A request of realmctl, read whole.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::Incoming;
use serde_json::Value;

use super::PATH;
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
    pub(crate) async fn read(request: Request<Incoming>) -> Result<Self, Error> {
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

    /// The body as it came.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
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
