//! How every front passes a request on: whole request in, whole answer out. It changes nothing but the address.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use hyper::http::uri::Authority;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::Error;

/// A request that has arrived completely.
pub(crate) type Whole = Request<Bytes>;
/// An answer that is all there.
pub(crate) type Reply = Response<Bytes>;

/// Where requests go, and the connections that lead there.
#[derive(Debug, Clone)]
pub(crate) struct Forward {
    behind: Authority,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Forward {
    /// To `url`, such as `http://127.0.0.1:8000`.
    pub(crate) fn to(url: &str) -> Result<Self, Error> {
        let uri: Uri = url.parse().map_err(Error::doing(format!("read the URL {url}")))?;
        let behind = uri.authority().cloned().ok_or_else(|| Error::plain(format!("{url} names no host")))?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Ok(Self { behind, client: Client::builder(TokioExecutor::new()).build(connector) })
    }

    /// The answer of what is behind; one of its own (502) when there is none.
    pub(crate) async fn pass(&self, request: Whole) -> Reply {
        match self.exchange(request).await {
            Ok(reply) => reply,
            Err(error) => json(StatusCode::BAD_GATEWAY, error),
        }
    }

    async fn exchange(&self, request: Whole) -> Result<Reply, String> {
        let (mut head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let uri = Uri::builder().scheme("http").authority(self.behind.clone()).path_and_query(path).build();
        head.uri = uri.map_err(|error| error.to_string())?;
        let says_its_length = head.headers.contains_key(CONTENT_LENGTH);
        lengths_follow_from_the_body(&mut head.headers);
        // hyper leaves out a length of 0, but it may have been signed.
        if says_its_length && body.is_empty() {
            head.headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let answer = self.client.request(Request::from_parts(head, Full::new(body))).await;
        let (head, body) = answer.map_err(|error| format!("the front got no answer: {error}"))?.into_parts();
        let body = body.collect().await.map_err(|error| format!("the front got half an answer: {error}"))?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}

/// Waits for the rest of a request; `None` when its sender gave up.
pub(crate) async fn whole(request: Request<Incoming>) -> Option<Whole> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.ok()?;
    Some(Request::from_parts(head, body.to_bytes()))
}

/// What hyper sends to the client.
pub(crate) fn sent(reply: Reply) -> Response<Full<Bytes>> {
    reply.map(Full::new)
}

/// An answer in DynamoDB's content type.
pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(body.into());
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
    reply
}

/// What a gateway says in place of what is behind it.
pub(crate) fn of_a_gateway(status: u16) -> Reply {
    let mut reply = Response::new(Bytes::from(format!("<html><h1>{status}</h1><p>from a gateway</p></html>")));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    reply
}

/// The same answer with another body, and without what described the old one.
pub(crate) fn with_body(reply: Reply, body: impl Into<Bytes>) -> Reply {
    let (mut head, _) = reply.into_parts();
    lengths_follow_from_the_body(&mut head.headers);
    head.headers.remove("x-amz-crc32");
    Response::from_parts(head, body.into())
}

/// The operation of a DynamoDB request, such as `PutItem`; empty for anything else.
pub(crate) fn operation(headers: &HeaderMap) -> &str {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    target.and_then(|target| target.strip_prefix("DynamoDB_20120810.")).unwrap_or_default()
}

/// The access key a request was signed with; empty when it was not.
pub(crate) fn caller(headers: &HeaderMap) -> &str {
    let signed = headers.get("authorization").and_then(|line| line.to_str().ok()).unwrap_or_default();
    let credential = signed.split_once("Credential=").map_or("", |(_, rest)| rest);
    credential.split('/').next().unwrap_or_default()
}

/// hyper writes the length itself.
fn lengths_follow_from_the_body(headers: &mut HeaderMap) {
    headers.remove(CONTENT_LENGTH);
    headers.remove(TRANSFER_ENCODING);
}
