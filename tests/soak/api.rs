//! The API as a careful caller uses it: bounded, and asking the next server when one does not answer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::Value;

/// For one request to one server.
const TIMEOUT: Duration = Duration::from_millis(1_500);

/// Some servers, any of which will do.
#[derive(Debug)]
pub(crate) struct Api {
    http: reqwest::Client,
    servers: Vec<String>,
    /// The one that answered last.
    good: AtomicUsize,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

impl Answer {
    /// A text field of the body; empty when it is not there.
    pub(crate) fn text(&self, field: &str) -> &str {
        self.body[field].as_str().unwrap_or_default()
    }

    /// Whether a later attempt may be answered otherwise: the catalogue was away, or the server busy.
    fn may_pass(&self) -> bool {
        self.status.is_server_error() || self.status == StatusCode::TOO_MANY_REQUESTS
    }
}

/// What is asked.
#[derive(Debug, Clone)]
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    pub(crate) key: Option<&'a str>,
    pub(crate) body: Option<Value>,
    /// Sent instead of a JSON body.
    pub(crate) yaml: Option<String>,
}

impl<'a> Request<'a> {
    pub(crate) fn get(path: &'a str) -> Self {
        Self { method: Method::GET, path, key: None, body: None, yaml: None }
    }

    pub(crate) fn post(path: &'a str, body: Value) -> Self {
        Self { method: Method::POST, path, key: None, body: Some(body), yaml: None }
    }
}

impl Api {
    pub(crate) fn new(servers: Vec<String>) -> Result<Self, reqwest::Error> {
        // Another part of this process may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build()?;
        Ok(Self { http, servers, good: AtomicUsize::new(0) })
    }

    /// One attempt at one server, the one that answered last. `None`: no answer that counts.
    pub(crate) async fn ask_once(&self, request: &Request<'_>) -> Option<Answer> {
        let chosen = self.good.load(Ordering::Relaxed);
        let url = format!("{}/v1/{}", self.servers[chosen % self.servers.len()], request.path);
        let mut call = self.http.request(request.method.clone(), url);
        if let Some(key) = request.key {
            call = call.header("Idempotency-Key", key);
        }
        if let Some(body) = &request.body {
            call = call.json(body);
        }
        if let Some(yaml) = &request.yaml {
            call = call.header("Content-Type", "application/yaml").body(yaml.clone());
        }
        let answered = async {
            let response = call.send().await.ok()?;
            let status = response.status();
            let body = response.json().await.ok()?;
            Some(Answer { status, body }).filter(|answer| !answer.may_pass())
        };
        let answer = answered.await;
        if answer.is_none() {
            self.good.store(chosen + 1, Ordering::Relaxed);
        }
        answer
    }

    /// Whether any server says that it is not ready: it tries a write for that.
    pub(crate) async fn any_unready(&self) -> bool {
        for server in &self.servers {
            let answered = self.http.get(format!("{server}/readyz")).send().await;
            if answered.is_ok_and(|answer| answer.status() == StatusCode::SERVICE_UNAVAILABLE) {
                return true;
            }
        }
        false
    }

    /// Puts a topology in force.
    pub(crate) async fn put_topology(&self, yaml: String) -> Answer {
        let request = Request { method: Method::PUT, yaml: Some(yaml), ..Request::get("topology") };
        self.ask(&request).await
    }

    /// Asks until there is an answer. Only for requests that may be repeated.
    pub(crate) async fn ask(&self, request: &Request<'_>) -> Answer {
        loop {
            if let Some(answer) = self.ask_once(request).await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    }
}
