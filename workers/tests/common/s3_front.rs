//! An HTTP front before an embedded S3 that slows down, cuts contents short and leaves deletions undone.

use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::task::JoinSet;

/// How the front misbehaves, and what it has seen.
#[derive(Default)]
pub(crate) struct Faults {
    /// Refuse every n-th request with `503 SlowDown`.
    pub(crate) slow_down_every: Option<u64>,
    /// Cut the contents of every n-th object read short.
    pub(crate) cut_every: Option<u64>,
    /// Answer this many DeleteObjects calls with this error for each of these keys, and delete nothing.
    pub(crate) undeleted: Option<(u32, &'static str, Vec<String>)>,
    /// Requests seen.
    pub(crate) requests: u64,
    /// Objects read.
    pub(crate) gets: u64,
    /// Parts of objects written: the number of the part and the upload.
    pub(crate) parts: Vec<(u64, String)>,
    /// Refuse to copy objects and parts, with this code.
    pub(crate) refuse_copies: Option<&'static str>,
    /// Refuse DeleteObjects: without Content-MD5, or however it is sent.
    pub(crate) refuse_deletes: Option<WithoutMd5>,
    /// DeleteObjects calls that were let through.
    pub(crate) deletes: u64,
    /// Until when objects are locked, in compliance mode.
    pub(crate) locked_until: Option<&'static str>,
    /// Show metadata of the object of this name with a byte that is no text.
    pub(crate) raw_metadata: Option<&'static str>,
    /// Requests to copy an object or a part.
    pub(crate) copies: u64,
    /// Bytes sent in bodies.
    pub(crate) sent: u64,
}

/// Which requests a store refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WithoutMd5 {
    /// Those without Content-MD5, with this code.
    Alone(&'static str),
    /// These and all others, with this code.
    AndAll(&'static str),
}

pub(crate) struct S3Front {
    pub(crate) endpoint: String,
    pub(crate) faults: Arc<Mutex<Faults>>,
    _serving: JoinSet<()>,
}

#[derive(Clone)]
struct Behind {
    endpoint: String,
    faults: Arc<Mutex<Faults>>,
    client: Client<HttpConnector, Body>,
}

enum Fault {
    Answer(Response),
    Cut,
    None,
}

impl S3Front {
    pub(crate) async fn before(endpoint: &str, faults: Faults) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let faults = Arc::new(Mutex::new(faults));
        let client = Client::builder(TokioExecutor::new()).build_http();
        let behind = Behind { endpoint: endpoint.to_owned(), faults: Arc::clone(&faults), client };
        let app = axum::Router::new().fallback(handle).with_state(behind);
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { endpoint: format!("http://{address}"), faults, _serving: serving }
    }
}

async fn handle(State(behind): State<Behind>, request: Request) -> Response {
    let (mut head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let copies = head.headers.contains_key("x-amz-copy-source");
    let fault = {
        let mut faults = behind.faults.lock().unwrap();
        faults.sent += body.len() as u64;
        let query = head.uri.query().unwrap_or_default();
        let fault = match faults.refuses_delete(&head.method, query, head.headers.contains_key("content-md5")) {
            Some(refused) => refused,
            None => faults.next(&head.method, query),
        };
        if copies { faults.copy(fault) } else { fault }
    };
    if let Fault::Answer(answer) = fault {
        return answer;
    }
    let path = head.uri.path_and_query().unwrap();
    let is_raw = behind.faults.lock().unwrap().raw_metadata.is_some_and(|name| path.path().ends_with(name));
    head.uri = format!("{}{path}", behind.endpoint).parse().unwrap();
    let response = behind.client.request(Request::from_parts(head, Body::from(body))).await.unwrap();
    let (mut head, body) = response.into_parts();
    if is_raw {
        head.headers.insert("x-amz-meta-owner", HeaderValue::from_bytes(b"ad\xe4").unwrap());
    }
    let bytes = to_bytes(Body::new(body), usize::MAX).await.unwrap();
    let body = if matches!(fault, Fault::Cut) && !bytes.is_empty() {
        let cut = [Ok(bytes.slice(..bytes.len() / 2)), Err("cut short")];
        Body::from_stream(futures::stream::iter::<[Result<Bytes, &str>; 2]>(cut))
    } else {
        Body::from(bytes)
    };
    Response::from_parts(head, body)
}

impl Faults {
    fn copy(&mut self, otherwise: Fault) -> Fault {
        self.copies += 1;
        let Some(code) = self.refuse_copies else { return otherwise };
        let body = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
        Fault::Answer((StatusCode::FORBIDDEN, body).into_response())
    }

    fn refuses_delete(&mut self, method: &Method, query: &str, with_md5: bool) -> Option<Fault> {
        if method != Method::POST || !query.split('&').any(|part| part == "delete" || part == "delete=") {
            return None;
        }
        let code = match self.refuse_deletes {
            Some(WithoutMd5::Alone(code)) if !with_md5 => code,
            Some(WithoutMd5::AndAll(code)) => code,
            _ => {
                self.deletes += 1;
                return None;
            }
        };
        let body = format!("<Error><Code>{code}</Code><Message>Missing required header: Content-MD5</Message></Error>");
        Some(Fault::Answer((StatusCode::BAD_REQUEST, body).into_response()))
    }

    fn next(&mut self, method: &Method, query: &str) -> Fault {
        self.requests += 1;
        if self.slow_down_every.is_some_and(|n| self.requests.is_multiple_of(n)) {
            let body = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";
            return Fault::Answer((StatusCode::SERVICE_UNAVAILABLE, body).into_response());
        }
        if method == Method::POST
            && query.split('&').any(|part| part == "delete" || part == "delete=")
            && let Some((left, code, keys)) = &mut self.undeleted
            && *left > 0
        {
            *left -= 1;
            let error = |key: &String| format!("<Error><Key>{key}</Key><Code>{code}</Code></Error>");
            let errors: String = keys.iter().map(error).collect();
            let body = format!("<DeleteResult>{errors}</DeleteResult>");
            return Fault::Answer(([("content-type", "application/xml")], body).into_response());
        }
        if let Some(until) = self.locked_until.filter(|_| query.split('&').any(|part| part.starts_with("retention"))) {
            let body =
                format!("<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>");
            return Fault::Answer(([("content-type", "application/xml")], body).into_response());
        }
        if method == Method::PUT
            && let (Some(part), Some(upload)) = (value_of(query, "partNumber"), value_of(query, "uploadId"))
        {
            self.parts.push((part.parse().unwrap(), upload.to_owned()));
        }
        if method == Method::GET && query.contains("GetObject") && !query.contains("Tagging") {
            self.gets += 1;
            if self.cut_every.is_some_and(|n| self.gets.is_multiple_of(n)) {
                return Fault::Cut;
            }
        }
        Fault::None
    }
}

fn value_of<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}
