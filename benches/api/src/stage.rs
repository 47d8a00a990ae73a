//! Where it is measured: a catalogue with tenants and moves, the API in front of it, and the bare handlers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bench_engine::Database;
use futures::{StreamExt, TryStreamExt, stream};
use server::{Server, ServerSettings};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use workers::{CredentialsFrom, Movers};
use workflows::Deployment;
use workflows::access::{Expiry, NewToken, Role, Scope, TokenKeys, create_token};
use workflows::provision::create_tenant;
use workflows::realm_move::start_move;
use workflows::timing::Timing;
use workflows::topology_change::apply_topology;

use crate::requests::{by, move_of, new_tenant, tenant};
use crate::{Error, Settings, bare};

/// Requests at a time while the catalogue is filled.
const FILL_AT_ONCE: usize = 16;

/// Nobody is asked at these addresses.
const TOPOLOGY: &str = "
regions:
  us-east-1: { dynamodb: { endpoint: \"http://127.0.0.1:9\" }, s3: { endpoint: \"http://127.0.0.1:9\" } }
  eu-west-1: { dynamodb: { endpoint: \"http://127.0.0.2:9\" }, s3: { endpoint: \"http://127.0.0.2:9\" } }
realms:
  us: { dataRegions: [us-east-1] }
  eu: { dataRegions: [eu-west-1] }
services:
  issue-service:
    store: { dynamodb: { table: issues, index: by-tenant, indexKey: tenant_shard, shardCount: 10 } }
    shards:
      - { shard: issues-us-east-1, dataRegions: [us-east-1] }
      - { shard: issues-eu-west-1, dataRegions: [eu-west-1] }
  media-service:
    store: { s3: { bucket: \"media-{region}\", prefix: \"{tenant}/\" } }
    shards:
      - { shard: media-us-east-1, dataRegions: [us-east-1] }
      - { shard: media-eu-west-1, dataRegions: [eu-west-1] }
";

/// One of those that are asked.
pub(crate) struct Subject {
    pub(crate) address: String,
    /// What it wants to be shown.
    pub(crate) token: Option<String>,
}

/// What everything is measured on.
pub(crate) struct Stage {
    pub(crate) deployment: Deployment,
    pub(crate) api: Subject,
    pub(crate) bare: Subject,
    pub(crate) tenants: usize,
    /// The next tenant without a move.
    next_unmoved: AtomicUsize,
    /// The next id of a tenant that is created while it is measured.
    next_new: AtomicUsize,
    stop: CancellationToken,
    serving: JoinSet<()>,
}

impl Stage {
    pub(crate) async fn new(database: &Database, settings: &Settings) -> Result<Self, Error> {
        let movers = Movers::new(CredentialsFrom::Environment, workers::Settings::default());
        let deployment = Deployment::new(database.store.clone(), movers, Timing::demo());
        apply_topology(&deployment, TOPOLOGY, &by()).await.map_err(|error| Error::part(&error))?;
        fill(&deployment, settings).await?;
        let keys = TokenKeys::parse("a-key-of-the-benchmark\n").map_err(|error| Error::part(&error))?;
        let new = NewToken { name: "bench".to_owned(), role: Role::Admin, scope: Scope::All, expiry: Expiry::Default };
        let token = create_token(&deployment, &keys, &new, &by()).await.map_err(|error| Error::part(&error))?.text;
        let stop = CancellationToken::new();
        let mut serving = JoinSet::new();
        let server_settings = ServerSettings { token_keys: Arc::new(keys), ..ServerSettings::default() };
        let server = Server::new(deployment.clone(), Arc::new(Notify::new()), server_settings);
        let (listener, address) = listen().await?;
        let api = Subject { address, token: Some(token) };
        let until = stop.clone();
        serving.spawn(async move { drop(server.serve(listener, until).await) });
        let (listener, address) = listen().await?;
        let bare = Subject { address, token: None };
        let (router, until) = (bare::router(deployment.clone()), stop.clone());
        serving.spawn(async move {
            drop(axum::serve(listener, router).with_graceful_shutdown(until.cancelled_owned()).await);
        });
        let (next_unmoved, next_new) = (AtomicUsize::new(settings.moves), AtomicUsize::new(0));
        Ok(Self { deployment, api, bare, tenants: settings.tenants, next_unmoved, next_new, stop, serving })
    }

    pub(crate) fn next_new(&self) -> usize {
        self.next_new.fetch_add(1, Ordering::Relaxed)
    }

    /// Tenants without a move, which get one now; fewer if there are no more.
    pub(crate) fn take_unmoved(&self, number: usize) -> Vec<String> {
        let first = self.next_unmoved.fetch_add(number, Ordering::Relaxed);
        (first..(first + number).min(self.tenants)).map(tenant).collect()
    }

    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        while self.serving.join_next().await.is_some() {}
    }
}

async fn listen() -> Result<(TcpListener, String), Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| Error::part(&error))?;
    let address = listener.local_addr().map_err(|error| Error::part(&error))?;
    Ok((listener, format!("http://{address}")))
}

async fn fill(deployment: &Deployment, settings: &Settings) -> Result<(), Error> {
    let created = stream::iter(0..settings.tenants).map(Ok).try_for_each_concurrent(FILL_AT_ONCE, async |number| {
        let new = new_tenant(&tenant(number))?;
        create_tenant(deployment, &new, &by()).await.map(drop).map_err(|error| Error::part(&error))
    });
    created.await?;
    let moved = stream::iter(0..settings.moves).map(Ok).try_for_each_concurrent(FILL_AT_ONCE, async |number| {
        let started = start_move(deployment, &move_of(tenant(number)), &by()).await;
        started.map(drop).map_err(|error| Error::part(&error))
    });
    moved.await
}
