//! One location behind hooks, opened from a [`Place`]: each request with the patience for what may pass. Whatever changes something
//! takes a permit, and each attempt a fresh one, with whose time it is signed.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::{Method, Url};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::client::{Answer, HookClient, Request};
use super::protocol::{Body, Change, Source, Status, Verified};
use crate::bounded_retry::BoundedRetry;
use crate::error::WorkError;
use crate::failure::{BAD_ANSWER, Site};
use crate::heartbeat::Heartbeat;
use crate::inspection::{Inspection, Size};
use crate::ledger_permit::{LivePermit, Permits, RemovalPermit, WritePermit};
use crate::place::Place;
use crate::progress::Tally;
use crate::settings::Settings;
use crate::store_clocks::ClockOf;

/// One tenant's data at one location behind hooks.
pub(crate) struct Service {
    client: Arc<HookClient>,
    site: Site,
    /// As in the topology.
    address: String,
    base: Url,
    clock: ClockOf,
    region: String,
    secret: Option<String>,
    tenant: String,
    pub(super) longest: Duration,
    pub(super) settings: Settings,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.site.fmt(f)
    }
}

impl Service {
    /// Does not call the service yet. `None`: the place is of another kind.
    ///
    /// # Errors
    /// `place_invalid` when the address is no URL that may be called.
    pub(crate) fn open(
        client: &Arc<HookClient>,
        place: &Place,
        tenant: &str,
        settings: &Settings,
    ) -> Result<Option<Self>, WorkError> {
        let Place::Hooks { region, url, secret, longest } = place else { return Ok(None) };
        let site = Site::of(place);
        let base = Url::parse(url).ok().filter(may_be_called).ok_or_else(|| {
            let message = format!("{site} can't be called: its address must be https, or http on loopback");
            WorkError::permanent("place_invalid", message)
        })?;
        Ok(Some(Self {
            client: Arc::clone(client),
            site,
            address: url.clone(),
            base,
            clock: ClockOf::place(place),
            region: region.clone(),
            secret: secret.clone(),
            tenant: tenant.to_owned(),
            longest: *longest,
            settings: settings.clone(),
        }))
    }

    /// Whether the service can be reached, and whether it has nothing of the tenant there.
    pub(crate) async fn inspect(&self) -> Result<Inspection, WorkError> {
        let status = self.status(None, &Heartbeat::unheard()).await?;
        Ok(Inspection {
            schema: None,
            expires_by: None,
            replicates_to: Vec::new(),
            table_id: None,
            empty: status.empty,
        })
    }

    /// How much there is, for estimates: items, like those of a table.
    pub(crate) async fn measure(&self) -> Result<Size, WorkError> {
        let status = self.status(None, &Heartbeat::unheard()).await?;
        Ok(Size { items: status.items, ..Size::default() })
    }

    /// Asks whether the service can take part.
    ///
    /// # Errors
    /// `hook_refused` with the service's reason, or why it could not be asked.
    pub(crate) async fn schedule(
        &self,
        change: Change,
        source: Option<&Self>,
        heartbeat: &Heartbeat<'_>,
    ) -> Result<(), WorkError> {
        let body = Body { change: Some(change), source: source.map(Self::as_source), ..self.body(None) };
        self.ask(Method::POST, "schedule", (Some(&body), None), |_| Ok(()), heartbeat).await.map(drop)
    }

    /// How far the service is; with a generation, with that one.
    pub(super) async fn status(&self, generation: Option<i64>, heartbeat: &Heartbeat<'_>) -> Result<Status, WorkError> {
        let read = |answer: &[u8]| self.read("status", answer);
        let status = self.ask(Method::GET, "status", (None, generation), read, heartbeat).await?;
        status.ok_or_else(|| WorkError::retryable(BAD_ANSWER, format!("{} answered /status with 202", self.site)))
    }

    /// Count and digest of what is there; `None` while the service is counting.
    pub(super) async fn verified(&self, heartbeat: &Heartbeat<'_>) -> Result<Option<Tally>, WorkError> {
        let read = |answer: &[u8]| self.read::<Verified>("verify", answer).map(|found| found.tally());
        self.ask(Method::POST, "verify", (Some(&self.body(None)), None), read, heartbeat).await
    }

    /// Whether its counts can be read: asked where there is nothing yet, before a tenant is offline.
    pub(crate) async fn can_count(&self, heartbeat: &Heartbeat<'_>) -> Result<(), WorkError> {
        match self.verified(heartbeat).await {
            Err(error) if error.code == BAD_ANSWER => Err(error),
            // It may refuse to count where nothing ever was, or fail in a way that passes.
            _ => Ok(()),
        }
    }

    /// Has the service begin to add the tenant's data from `source`.
    pub(super) async fn start(
        &self,
        source: &Self,
        permits: &Permits<'_>,
        heartbeat: &Heartbeat<'_>,
    ) -> Result<(), WorkError> {
        let mut retry = BoundedRetry::new(self.settings.attempts, heartbeat);
        loop {
            let permit = permits.write().await?;
            let answer = permits.answered(permit.read_at(), self.send_start(&permit, source)).await;
            if after(answer, &mut retry).await? {
                return Ok(());
            }
        }
    }

    /// Has the service prepare for a new tenant.
    pub(crate) async fn provision(&self, permits: &Permits<'_>, heartbeat: &Heartbeat<'_>) -> Result<(), WorkError> {
        let mut retry = BoundedRetry::new(self.settings.attempts, heartbeat);
        loop {
            let permit = permits.write().await?;
            let answer = permits.answered(permit.read_at(), self.send_provision(&permit)).await;
            if after(answer, &mut retry).await? {
                return Ok(());
            }
        }
    }

    /// Tells the service that what was added is in use.
    pub(crate) async fn commit(&self, permits: &Permits<'_>, heartbeat: &Heartbeat<'_>) -> Result<(), WorkError> {
        let mut retry = BoundedRetry::new(self.settings.attempts, heartbeat);
        loop {
            let permit = permits.live().await?;
            let answer = permits.answered(permit.read_at(), self.send_commit(&permit)).await;
            if after(answer, &mut retry).await? {
                return Ok(());
            }
        }
    }

    /// Tells the service that what was being added is not wanted; `hook` is `rollback` or `remove`.
    pub(crate) async fn give_up(
        &self,
        hook: &str,
        permits: &Permits<'_>,
        heartbeat: &Heartbeat<'_>,
    ) -> Result<(), WorkError> {
        let mut retry = BoundedRetry::new(self.settings.attempts, heartbeat);
        loop {
            let permit = permits.removal().await?;
            let answer = permits.answered(permit.read_at(), self.send_removal(hook, &permit)).await;
            if after(answer, &mut retry).await? {
                return Ok(());
            }
        }
    }

    async fn send_start(&self, permit: &WritePermit, source: &Self) -> Result<(), WorkError> {
        let body = Body { source: Some(source.as_source()), ..self.body(Some(permit.generation())) };
        self.send(Method::POST, "start", Some(&body), None, permit.read_at()).await.map(drop)
    }

    async fn send_provision(&self, permit: &WritePermit) -> Result<(), WorkError> {
        let body = self.body(Some(permit.generation()));
        self.send(Method::POST, "provision", Some(&body), None, permit.read_at()).await.map(drop)
    }

    async fn send_commit(&self, permit: &LivePermit) -> Result<(), WorkError> {
        let body = self.body(Some(permit.generation()));
        self.send(Method::POST, "commit", Some(&body), None, permit.read_at()).await.map(drop)
    }

    async fn send_removal(&self, hook: &str, permit: &RemovalPermit) -> Result<(), WorkError> {
        let body = self.body(Some(permit.generation()));
        self.send(Method::POST, hook, Some(&body), None, permit.read_at()).await.map(drop)
    }

    /// A question, which may be repeated at will, as is done when the answer can't be read. `None`: the service is still at work
    /// on the answer.
    async fn ask<T>(
        &self,
        method: Method,
        hook: &str,
        (body, generation): (Option<&Body<'_>>, Option<i64>),
        read: impl Fn(&[u8]) -> Result<T, WorkError> + Sync,
        heartbeat: &Heartbeat<'_>,
    ) -> Result<Option<T>, WorkError> {
        let mut retry = BoundedRetry::new(self.settings.attempts, heartbeat);
        loop {
            let answer = self.send(method.clone(), hook, body, generation, SystemTime::now()).await;
            let read = answer.and_then(|answer| match answer {
                Answer::Done(answer) => read(&answer).map(Some),
                Answer::Working => Ok(None),
            });
            match read {
                Err(error) => retry.wait(error).await?,
                Ok(answer) => return Ok(answer),
            }
        }
    }

    async fn send(
        &self,
        method: Method,
        hook: &str,
        body: Option<&Body<'_>>,
        generation: Option<i64>,
        at: SystemTime,
    ) -> Result<Answer, WorkError> {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{hook}", self.base.path().trim_end_matches('/')));
        if body.is_none() {
            let mut query = url.query_pairs_mut();
            query.append_pair("tenant", &self.tenant).append_pair("region", &self.region);
            if let Some(generation) = generation {
                query.append_pair("generation", &generation.to_string());
            }
        }
        let body = body.map(|body| serde_json::to_vec(body).expect("plain data with text keys")).unwrap_or_default();
        let request = Request { method, url, body, secret: self.secret.as_deref(), at, clock: &self.clock };
        self.client.send(&self.site, request).await
    }

    fn body(&self, generation: Option<i64>) -> Body<'_> {
        Body { tenant: &self.tenant, region: &self.region, generation, change: None, source: None }
    }

    fn as_source(&self) -> Source<'_> {
        Source { region: &self.region, url: &self.address }
    }

    fn read<T: DeserializeOwned>(&self, hook: &str, answer: &[u8]) -> Result<T, WorkError> {
        serde_json::from_slice(answer).map_err(|error| {
            // Not the parser's words: they show values of the answer.
            let what = match error.classify() {
                Category::Data => "JSON, but not the fields that this answer has",
                _ => "not JSON, or cut short",
            };
            let message =
                format!("{} answered /{hook} with something unreadable ({what}): see docs/hooks.md", self.site);
            WorkError::retryable(BAD_ANSWER, message)
        })
    }
}

/// Whether the request is done; if it may be tried again, that is waited for.
async fn after(answer: Result<(), WorkError>, retry: &mut BoundedRetry<'_>) -> Result<bool, WorkError> {
    let Err(error) = answer else { return Ok(true) };
    retry.wait(error).await?;
    Ok(false)
}

fn may_be_called(url: &Url) -> bool {
    let loopback = match url.host_str() {
        Some("localhost" | "[::1]") => true,
        Some(host) => host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback()),
        None => return false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && loopback)
}
