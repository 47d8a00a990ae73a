//! A process that was paused goes on and sends what it signed before: the store refuses that, which passes. A store that does not let
//! us in refuses for good, even where its answer has no room for a reason.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use common::*;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use testkit::region::{credentials, dynamodb_client, s3_client};
use testkit::{Ports, Region, Storage, fixtures, observe};
use tokio::task::JoinSet;
use workers::error::{Treatment, WorkError};
use workers::place::Place;
use workers::progress::Tally;
use workers::{CredentialsFrom, Depth, Movers, Settings};

/// What a front does with requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// Each of so many arrives as if it had been signed long ago: it is the store that refuses it.
    Late(u64),
    /// Each is refused for want of a permission, in the words of the store.
    Denied,
}

struct Front {
    endpoint: String,
    late: Arc<AtomicU64>,
    _serving: JoinSet<()>,
}

#[derive(Clone)]
struct Behind {
    endpoint: String,
    what: What,
    seen: Arc<AtomicU64>,
    late: Arc<AtomicU64>,
    client: Client<HttpConnector, Body>,
}

impl Front {
    async fn before(endpoint: &str, what: What) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let late = Arc::new(AtomicU64::new(0));
        let client = Client::builder(TokioExecutor::new()).build_http();
        let behind =
            Behind { endpoint: endpoint.to_owned(), what, seen: Arc::default(), late: Arc::clone(&late), client };
        let app = axum::Router::new().fallback(handle).with_state(behind);
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { endpoint: format!("http://{address}"), late, _serving: serving }
    }
}

async fn handle(State(behind): State<Behind>, request: Request) -> Response {
    let (mut head, body) = request.into_parts();
    match behind.what {
        What::Denied => return denial(&head.method, &head.headers),
        What::Late(every) => {
            if behind.seen.fetch_add(1, Ordering::SeqCst).is_multiple_of(every) {
                behind.late.fetch_add(1, Ordering::SeqCst);
                sign_long_ago(&mut head.headers);
            }
        }
    }
    head.uri = format!("{}{}", behind.endpoint, head.uri.path_and_query().unwrap()).parse().unwrap();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let (head, body) = behind.client.request(Request::from_parts(head, Body::from(body))).await.unwrap().into_parts();
    Response::from_parts(head, Body::new(body))
}

/// The stores look at the time before they look at the signature.
fn sign_long_ago(headers: &mut HeaderMap) {
    let today = headers["x-amz-date"].to_str().unwrap()[..8].to_owned();
    headers.insert("x-amz-date", "20200101T000000Z".parse().unwrap());
    let line = headers["authorization"].to_str().unwrap().replace(&format!("/{today}/"), "/20200101/");
    headers.insert("authorization", line.parse().unwrap());
}

/// The answer to a HEAD has no body, and so no code.
fn denial(method: &Method, headers: &HeaderMap) -> Response {
    if headers.contains_key("x-amz-target") {
        let body = r#"{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"not authorized"}"#;
        return (StatusCode::BAD_REQUEST, [("content-type", "application/x-amz-json-1.0")], body).into_response();
    }
    let body = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
    let body = if method == Method::HEAD { "" } else { body };
    (StatusCode::FORBIDDEN, [("content-type", "application/xml")], body).into_response()
}

struct World {
    source: Region,
    target: Region,
}

async fn world() -> World {
    let start = |name| Region::start(name, Storage::Memory, Ports::Any).unwrap();
    let (source, target) = (start("us-east-1"), start("eu-west-1"));
    for region in [&source, &target] {
        fixtures::create_table(&dynamodb_client(region), "issues", INDEX, INDEX_KEY).await.unwrap();
        fixtures::create_bucket(&s3_client(region), "media").await.unwrap();
    }
    fixtures::seed_items(&source, "issues", INDEX_KEY, "acme", 1, 60, 1).await.unwrap();
    fixtures::seed_objects(&source, "media", "acme/", 12, 2).await.unwrap();
    World { source, target }
}

impl World {
    /// A table and a bucket of the source behind fronts that do so, and of the target.
    async fn places(&self, what: What) -> ([Front; 2], [(Place, Place); 2]) {
        let tables = Front::before(self.source.dynamodb_endpoint(), what).await;
        let buckets = Front::before(self.source.s3_endpoint(), what).await;
        let table = (table_at("us-east-1", &tables.endpoint, "issues", 1), table(&self.target, "issues", 1));
        let bucket =
            (bucket_at("us-east-1", &buckets.endpoint, "media", "acme"), bucket(&self.target, "media", "acme"));
        ([tables, buckets], [table, bucket])
    }
}

/// Some objects are larger than the threshold, and looked at by themselves.
fn movers_with(attempts: u32) -> Movers {
    let settings = Settings { attempts, multipart_threshold: 4 << 10, ..settings() };
    Movers::new(CredentialsFrom::Fixed(credentials()), settings)
}

/// What all that reads a place fails with.
async fn failures(from: &Place, to: &Place) -> Vec<WorkError> {
    let (movers, ledger, none) = (movers_with(1), Allows::writes(), Tally::default());
    vec![
        movers.inspect(from, "acme").await.unwrap_err(),
        movers.survey(from, "acme", Depth::Listed).await.unwrap_err(),
        movers.survey(from, "acme", Depth::Sampled).await.unwrap_err(),
        movers.replicates_to(from, "acme").await.unwrap_err(),
        movers.copy(acme(from, to), &ledger.permits(), &Kept::all(), None).await.unwrap_err(),
        movers.digest(acme_at(from), &Kept::all(), None).await.unwrap_err(),
        movers.verify(acme(to, from), &none, &Kept::all()).await.unwrap_err(),
        movers.compare(acme_at(from), None, &none.into(), &Kept::all(), None).await.unwrap_err(),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_was_signed_too_long_ago_may_pass() {
    let world = world().await;
    let (_fronts, places) = world.places(What::Late(1)).await;
    for (from, to) in &places {
        for error in failures(from, to).await {
            assert_eq!((error.code, error.treatment), ("request_too_old", Treatment::Retryable), "{error}");
            assert!(error.message.contains("compare the clocks"), "{error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_is_denied_does_not_pass() {
    let world = world().await;
    let (_fronts, places) = world.places(What::Denied).await;
    for (from, to) in &places {
        for error in failures(from, to).await {
            assert_eq!((error.code, error.treatment), ("access_denied", Treatment::Permanent), "{error}");
        }
    }
}

/// Whichever read it hits, nothing fails for good; once it has passed, the work is done and right.
#[tokio::test(flavor = "multi_thread")]
async fn work_goes_on_after_reads_that_were_signed_too_long_ago() {
    let world = world().await;
    for every in [5, 7, 11] {
        let (fronts, places) = world.places(What::Late(every)).await;
        for (from, to) in &places {
            until_done(async |movers| movers.inspect(from, "acme").await.map(drop)).await;
            let (ledger, kept) = (Allows::writes(), Kept::all());
            until_done(async |movers| {
                let resume = kept.resumes().pop();
                movers.copy(acme(from, to), &ledger.permits(), &kept, resume).await.map(drop)
            })
            .await;
        }
        assert!(fronts.iter().all(|front| front.late.load(Ordering::SeqCst) > 2), "every {every}");
        let [from, to] = [&world.source, &world.target].map(dynamodb_client);
        let items = observe::table_items(&from, "issues").await.unwrap();
        assert_eq!(observe::table_items(&to, "issues").await.unwrap(), items);
        let [from, to] = [&world.source, &world.target].map(s3_client);
        let objects = observe::bucket_objects(&from, "media", "").await.unwrap();
        assert_eq!(observe::bucket_objects(&to, "media", "").await.unwrap(), objects);
        let movers = movers();
        remove_all(&movers, &table(&world.target, "issues", 1), "acme").await;
        remove_all(&movers, &bucket(&world.target, "media", "acme"), "acme").await;
    }
}

/// As the engine does: what may pass is tried again.
async fn until_done(work: impl AsyncFn(Movers) -> Result<(), WorkError>) {
    for _ in 0..100 {
        match Box::pin(work(movers_with(3))).await {
            Ok(()) => return,
            Err(error) => assert_eq!(error.treatment, Treatment::Retryable, "{error:?}"),
        }
    }
    panic!("it gets nowhere");
}
