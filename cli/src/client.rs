//! The HTTP client: one call a method, answers as the types of `server::api`, errors as failures with a next step.
//!
//! It repeats nothing: whether a request may be sent again is for the person, or for `follow`, to say.

mod approvals;
mod controls;
mod failures;
mod sessions;
mod status;
mod tokens;
mod user;
mod versions;
mod webhooks;

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use server::api::{
    ApprovalNeeded, AuditHead, AuditView, CampaignPlan, CampaignView, Change, DryRun, MemberView, MoveView,
    NewCampaign, NewMove, NewTenant, Page, Problem, RemovalDetail, RenameEndpoint, Replay, ReplayAll, Replayed,
    ReplayedAll, Reschedule, TenantView, TopologyApplied, TopologyView, VERSION_HEADER,
};

pub(crate) use self::approvals::NewTokenAnswer;
pub(crate) use self::failures::mistake;
use self::failures::{explained, innermost, refused};
use self::user::who;
use self::versions::{Difference, Notes};
use crate::exit::{Exit, Failure, chain};
use crate::globals::Globals;
use crate::output::Terminal;
use crate::profiles::{Connection, connection};
use crate::trust::{TrustArgs, cut_off, untrusted};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For one whole request and its answer; not for streams.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// Between two pieces of an answer. A stream sends heartbeats more often than that.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(60);

/// Talks to one server.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    token: Option<String>,
    /// What names the server and the token, for messages.
    server_from: String,
    token_from: String,
    terminal: Option<Terminal>,
    notes: Notes,
    /// It shows a certificate.
    certified: bool,
}

/// An answer with 202.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Accepted<T> {
    Waits(Box<ApprovalNeeded>),
    Done(T),
}

/// Parameters of a query; those that are `None` are left out.
type Query<'a> = &'a [(&'a str, Option<String>)];

impl Client {
    /// A client as the global options and profiles say. Connects when first used.
    pub(crate) fn of(globals: &Globals) -> Result<Self, Failure> {
        let connection = connection(globals)?;
        if let Some(terminal) = &globals.terminal {
            connection.notes.iter().for_each(|note| terminal.say(note));
        }
        let client = Self::with(connection, &globals.trust)?;
        Ok(Self { terminal: globals.terminal.clone(), ..client })
    }

    /// A client of this server, that trusts whom this machine trusts.
    #[cfg(feature = "playground")]
    pub(crate) fn new(server: &str, token: Option<&str>) -> Result<Self, Failure> {
        Self::with(Connection::to(server, token), &TrustArgs::default())
    }

    fn with(connection: Connection, trust: &TrustArgs) -> Result<Self, Failure> {
        let Connection { server, token, server_from, token_from, .. } = connection;
        let base: Url = server
            .parse()
            .ok()
            .filter(|url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| Failure::usage("--server must be a URL such as http://127.0.0.1:8642"))?;
        // Another thread may have installed the same provider just now: either serves.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(SILENCE_TIMEOUT)
            // A redirect would take the token to another place.
            .redirect(reqwest::redirect::Policy::none())
            .default_headers(who()?);
        if base.host_str().is_some_and(|host| matches!(host, "127.0.0.1" | "localhost" | "[::1]")) {
            builder = builder.no_proxy();
        }
        let http = trust
            .apply(builder)?
            .build()
            .map_err(|error| Failure::failed(format!("no HTTP client: {}", chain(&error))))?;
        let certified = trust.shows_a_certificate();
        Ok(Self { http, base, token, server_from, token_from, terminal: None, notes: Notes::default(), certified })
    }

    /// The server's address as it was given, without anything secret.
    pub(crate) fn address(&self) -> String {
        let mut shown = self.base.clone();
        // Neither can fail: the base has a host.
        let _ = shown.set_password(None);
        let _ = shown.set_username("");
        shown.as_str().trim_end_matches('/').to_owned()
    }

    /// Asks what the server thinks of a topology, and changes nothing.
    pub(crate) async fn check_topology(&self, yaml: String) -> Result<TopologyApplied, Failure> {
        self.put_topology(yaml, Some("check")).await
    }

    /// Puts a topology in force; with `accept`, whatever it does to tenants and moves besides.
    pub(crate) async fn apply_topology(&self, yaml: String, accept: bool) -> Result<TopologyApplied, Failure> {
        self.put_topology(yaml, accept.then_some("accept")).await
    }

    async fn put_topology(&self, yaml: String, flag: Option<&str>) -> Result<TopologyApplied, Failure> {
        let query = flag.map(|flag| (flag, Some("true".to_owned())));
        let query: Vec<_> = query.into_iter().collect();
        let request = self.request(Method::PUT, &["topology"], &query);
        self.answer(request.header(CONTENT_TYPE, "application/yaml").body(yaml)).await
    }

    /// Has a store be reached at another address.
    pub(crate) async fn rename_endpoint(&self, asked: &RenameEndpoint) -> Result<TopologyApplied, Failure> {
        self.post(&["topology", "rename-endpoint"], asked).await
    }

    pub(crate) async fn topology(&self) -> Result<TopologyView, Failure> {
        self.get(&["topology"], &[]).await
    }

    /// The tenant, and whether it is new.
    pub(crate) async fn create_tenant(&self, new: &NewTenant) -> Result<(TenantView, bool), Failure> {
        let response = self.send(self.request(Method::POST, &["tenants"], &[]).json(new)).await?;
        let created = response.status() == StatusCode::CREATED;
        Ok((self.read(response).await?, created))
    }

    pub(crate) async fn tenants(&self, query: Query<'_>) -> Result<Page<TenantView>, Failure> {
        self.get(&["tenants"], query).await
    }

    pub(crate) async fn tenant(&self, id: &str) -> Result<TenantView, Failure> {
        self.get(&["tenants", id], &[]).await
    }

    /// Fails if there is no such tenant, so that a mistyped one is not taken for one of which there is nothing.
    pub(crate) async fn is_known(&self, tenant: Option<&str>) -> Result<(), Failure> {
        match tenant {
            Some(tenant) => self.tenant(tenant).await.map(drop),
            None => Ok(()),
        }
    }

    /// Where a tenant is now, in a sentence; nothing if that can't be asked.
    pub(crate) async fn whereabouts(&self, tenant: &str) -> String {
        let Ok(found) = self.tenant(tenant).await else { return String::new() };
        let by = found.active_move.map(|id| format!(", for move {id}")).unwrap_or_default();
        match found.status.as_str() {
            "moving" => format!("Tenant {tenant} is offline now{by}."),
            status => format!("Tenant {tenant} is {status} in realm {}.", found.realm),
        }
    }

    pub(crate) async fn dry_run(&self, tenant: &str, request: &NewMove) -> Result<DryRun, Failure> {
        self.post(&["tenants", tenant, "moves"], request).await
    }

    /// The move, and whether this request started it.
    pub(crate) async fn start_move(&self, tenant: &str, request: &NewMove) -> Result<(MoveView, bool), Failure> {
        let request = self.request(Method::POST, &["tenants", tenant, "moves"], &[]).json(request);
        let response = self.send(request).await?;
        let new = response.status() == StatusCode::ACCEPTED;
        Ok((self.read(response).await?, new))
    }

    pub(crate) async fn moves(&self, query: Query<'_>) -> Result<Page<MoveView>, Failure> {
        self.get(&["moves"], query).await
    }

    pub(crate) async fn realm_move(&self, id: &str) -> Result<MoveView, Failure> {
        self.get(&["moves", id], &[]).await
    }

    pub(crate) async fn cancel_move(&self, id: &str, change: &Change) -> Result<MoveView, Failure> {
        self.post(&["moves", id, "cancel"], change).await
    }

    /// The stream of a move's events, from after the one with the id `after`.
    pub(crate) async fn move_events(&self, id: &str, after: Option<&str>) -> Result<Response, Failure> {
        let mut request = self.http.get(self.url(&["moves", id, "events"], &[]));
        if let Some(after) = after {
            request = request.header("Last-Event-ID", after);
        }
        self.send(request).await
    }

    /// Gives a move that has not begun another time.
    pub(crate) async fn reschedule_move(&self, id: &str, request: &Reschedule) -> Result<MoveView, Failure> {
        self.post(&["moves", id, "reschedule"], request).await
    }

    pub(crate) async fn plan_campaign(&self, request: &NewCampaign) -> Result<CampaignPlan, Failure> {
        self.post(&["campaigns"], request).await
    }

    pub(crate) async fn create_campaign(&self, request: &NewCampaign) -> Result<CampaignView, Failure> {
        self.post(&["campaigns"], request).await
    }

    pub(crate) async fn campaigns(&self, query: Query<'_>) -> Result<Page<CampaignView>, Failure> {
        self.get(&["campaigns"], query).await
    }

    pub(crate) async fn campaign(&self, id: &str) -> Result<CampaignView, Failure> {
        self.get(&["campaigns", id], &[]).await
    }

    pub(crate) async fn campaign_members(&self, id: &str, query: Query<'_>) -> Result<Page<MemberView>, Failure> {
        self.get(&["campaigns", id, "members"], query).await
    }

    /// Pauses, resumes or cancels a campaign.
    pub(crate) async fn change_campaign<B: Serialize>(
        &self,
        id: &str,
        verb: &str,
        body: &B,
    ) -> Result<CampaignView, Failure> {
        self.post(&["campaigns", id, verb], body).await
    }

    pub(crate) async fn removals(&self, query: Query<'_>) -> Result<Page<RemovalDetail>, Failure> {
        self.get(&["removals"], query).await
    }

    pub(crate) async fn removal(&self, id: &str) -> Result<RemovalDetail, Failure> {
        self.get(&["removals", id], &[]).await
    }

    /// Every key that a removal found to have been written late, as JSON lines.
    pub(crate) async fn late_writes(&self, id: &str) -> Result<Response, Failure> {
        self.send(self.request(Method::GET, &["removals", id, "late-writes"], &[])).await
    }

    pub(crate) async fn replay_removal(&self, id: &str, change: &Replay) -> Result<Replayed, Failure> {
        self.post(&["removals", id, "replay"], change).await
    }

    pub(crate) async fn replay_failed(&self, request: &ReplayAll) -> Result<ReplayedAll, Failure> {
        self.post(&["removals", "replay"], request).await
    }

    pub(crate) async fn audit(&self, query: Query<'_>) -> Result<Page<AuditView>, Failure> {
        self.get(&["audit"], query).await
    }

    /// The sealed entries after a number, as JSON lines. May take long: only silence ends it.
    pub(crate) async fn export_audit(&self, after: i64) -> Result<Response, Failure> {
        let url = self.url(&["audit", "export"], &[("after", Some(after.to_string()))]);
        self.send(self.http.get(url)).await
    }

    pub(crate) async fn audit_head(&self) -> Result<AuditHead, Failure> {
        self.get(&["audit", "head"], &[]).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &[&str], query: Query<'_>) -> Result<T, Failure> {
        self.answer(self.request(Method::GET, path, query)).await
    }

    async fn post<B: Serialize, T: DeserializeOwned>(&self, path: &[&str], body: &B) -> Result<T, Failure> {
        self.answer(self.request(Method::POST, path, &[]).json(body)).await
    }

    fn request(&self, method: Method, path: &[&str], query: Query<'_>) -> RequestBuilder {
        self.http.request(method, self.url(path, query)).timeout(REQUEST_TIMEOUT)
    }

    fn url(&self, path: &[&str], query: Query<'_>) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(path);
        }
        let given: Vec<_> = query.iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect();
        if !given.is_empty() {
            url.query_pairs_mut().extend_pairs(given);
        }
        url
    }

    async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Failure> {
        let response = self.send(request).await?;
        self.read(response).await
    }

    /// The answer, if it is one of success.
    async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let differs = Difference::of(response.headers());
        let tells_version = response.headers().contains_key(VERSION_HEADER);
        if response.status().is_success() {
            self.notes.of(differs.as_ref(), self.terminal.as_ref());
            return Ok(response);
        }
        let status = response.status();
        let body = response.bytes().await.unwrap_or_default();
        let failure = match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) if status == StatusCode::UNAUTHORIZED => self.unauthorised(&problem),
            // Every server of this release or a later one says which it is.
            Ok(problem) if problem.code == "unknown_route" && !tells_version => {
                let message = "the server is of an earlier version, which does not answer this: upgrade it";
                Failure::new(Exit::Refused, problem.code, message)
            }
            Ok(problem) => refused(status, &problem),
            Err(_) => self.stranger(status),
        };
        Err(explained(differs, failure))
    }

    /// What was done. If it has to wait for another person, that is a failure: it was not done.
    async fn read<T: DeserializeOwned>(&self, response: Response) -> Result<T, Failure> {
        if response.status() != StatusCode::ACCEPTED {
            return self.read_any(response).await;
        }
        match self.read_any(response).await? {
            Accepted::Waits(needed) => Err(approvals::waits(&needed)),
            Accepted::Done(done) => Ok(done),
        }
    }

    async fn read_any<T: DeserializeOwned>(&self, response: Response) -> Result<T, Failure> {
        let status = response.status();
        let differs = Difference::of(response.headers());
        let body = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        serde_json::from_slice(&body).map_err(|error| {
            tracing::debug!(%error, "unreadable answer");
            explained(differs, self.stranger(status))
        })
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let address = self.address();
        if error.is_timeout() {
            let message = format!(
                "the server at {address} did not answer in time: look at its log, then ask again; a change may have been made"
            );
            return Failure::new(Exit::Failed, "no_answer", message);
        }
        let lost = || (self.certified && !error.is_connect()).then(|| cut_off(&innermost(error)));
        if let Some(why) = untrusted(error).or_else(lost) {
            return Failure::new(Exit::Failed, "untrusted", format!("can't talk to the server at {address}: {why}"));
        }
        let why = innermost(error);
        let message = format!(
            "can't reach the server at {address}: check that it runs (`realmctl serve`, or `realmctl dev` for a playground) and that \
             {} names it ({why})",
            self.server_from
        );
        Failure::new(Exit::Failed, "unreachable", message)
    }

    /// Says whether a token was shown at all; never the token.
    fn unauthorised(&self, problem: &Problem) -> Failure {
        tracing::debug!(detail = problem.detail, "unauthorised");
        let address = self.address();
        let what = match self.token {
            // It says itself what to do: the token expired, was revoked, or its key is missing.
            Some(_) if problem.code != "unauthorized" => {
                let message = format!("the server at {address} does not accept the token: {}", problem.detail);
                return Failure::new(Exit::Refused, problem.code.clone(), message);
            }
            Some(_) => format!(
                "does not accept the token that was given: check {}, and that --server is the right one",
                self.token_from
            ),
            None if self.certified => {
                let message = format!("the server at {address} lets nobody in for the certificate: {}", problem.detail);
                return Failure::new(Exit::Refused, problem.code.clone(), message);
            }
            None => "wants a token and none was given: set --token or REALMCTL_TOKEN to yours".to_owned(),
        };
        Failure::new(Exit::Refused, problem.code.clone(), format!("the server at {address} {what}"))
    }

    fn stranger(&self, status: StatusCode) -> Failure {
        let address = self.address();
        let message = format!(
            "what answered {status} at {address} is not a realmctl server of this version: check {}, then \
             compare `realmctl version` here and there",
            self.server_from
        );
        Failure::new(Exit::Failed, "not_a_server", message)
    }
}
