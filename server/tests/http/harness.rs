//! A server with its store in a temporary folder, and a client for it.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use server::api::{MoveView, PROBLEM_JSON, Problem};
use server::{Server, ServerSettings};
use store::{Store, StoreUrl};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use workers::Movers;
use workflows::Deployment;
use workflows::timing::Timing;

/// Two regions that nobody serves.
pub(crate) const TOPOLOGY: &str = include_str!("topology.yaml");

/// Longer than anything here takes, also on a machine that stands still at times.
pub(crate) const SOON: Duration = Duration::from_secs(60);

pub(crate) struct Api {
    pub(crate) base: String,
    pub(crate) http: Client,
    pub(crate) deployment: Deployment,
    pub(crate) waker: Arc<Notify>,
    pub(crate) stop: CancellationToken,
    /// The server's task; it ends with this.
    pub(crate) serving: JoinSet<std::io::Result<()>>,
    _folder: TempDir,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Api {
    /// A server without a topology.
    pub(crate) async fn empty() -> Self {
        Self::with(ServerSettings::default()).await
    }

    /// A server with [`TOPOLOGY`] in force.
    pub(crate) async fn new() -> Self {
        let api = Self::empty().await;
        api.put_topology(TOPOLOGY, "").await.expect(StatusCode::OK);
        api
    }

    /// A server with [`TOPOLOGY`] in force and these tenants in realm us.
    pub(crate) async fn with_tenants(ids: &[&str]) -> Self {
        let api = Self::new().await;
        for id in ids {
            let body = json!({ "id": id, "host": format!("{id}.example.com"), "realm": "us" });
            api.post("/v1/tenants", &body).await.expect(StatusCode::CREATED);
        }
        api
    }

    pub(crate) async fn with(settings: ServerSettings) -> Self {
        // Another test may have installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = StoreUrl::Sqlite(folder.path().join("store.db"));
        let store = Store::open(&url).await.expect("the store opens");
        let movers = Movers::new(workers::CredentialsFrom::Environment, workers::Settings::default());
        let deployment = Deployment::new(store, movers, Timing::demo());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("it is bound"));
        let (waker, stop) = (Arc::new(Notify::new()), CancellationToken::new());
        let server = Server::new(deployment.clone(), Arc::clone(&waker), settings);
        let mut serving = JoinSet::new();
        serving.spawn(server.serve(listener, stop.clone()));
        let http = Client::builder().no_proxy().build().expect("a client");
        Self { base, http, deployment, waker, stop, serving, _folder: folder }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).timeout(SOON)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn post_text(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        Answer::of(self.request(Method::POST, path).header(CONTENT_TYPE, "application/json").body(body)).await
    }

    /// `query` with its `?`.
    pub(crate) async fn put_topology(&self, yaml: impl Into<reqwest::Body>, query: &str) -> Answer {
        let request = self.request(Method::PUT, &format!("/v1/topology{query}"));
        Answer::of(request.header(CONTENT_TYPE, "application/yaml").body(yaml)).await
    }

    /// Starts a move to realm eu that begins in the year 2100.
    pub(crate) async fn schedule_move(&self, tenant: &str) -> MoveView {
        let body = json!({ "to": "eu", "at": "2100-01-01T00:00:00Z" });
        self.post(&format!("/v1/tenants/{tenant}/moves"), &body).await.expect(StatusCode::ACCEPTED).json()
    }
}

impl Answer {
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("the server answers");
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, body: response.text().await.expect("text") }
    }

    #[track_caller]
    pub(crate) fn expect(self, status: StatusCode) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    #[track_caller]
    pub(crate) fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The problem document, which must be a whole one.
    #[track_caller]
    pub(crate) fn problem(&self, status: StatusCode, code: &str) -> Problem {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.header("content-type"), PROBLEM_JSON);
        let problem: Problem = self.json();
        assert_eq!((problem.status, problem.code.as_str()), (status.as_u16(), code), "{}", self.body);
        assert_eq!(problem.kind, format!("urn:realmctl:problem:{code}"));
        assert!(!problem.title.is_empty() && !problem.detail.is_empty(), "{}", self.body);
        problem
    }

    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}
