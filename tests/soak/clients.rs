//! Clients of the tenants: each reads its tenant's context through the API, uses it no longer than its age allows, writes only
//! while the tenant is online and only where it is placed, by the plain SDK, and remembers what was acknowledged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::primitives::ByteStream;
use testkit::Region;
use testkit::region::{dynamodb_client, s3_client};

use crate::api::Request;
use crate::options::{CLIENT_TIMEOUT, CONTEXT_TTL};
use crate::random::Random;
use crate::stage::Stage;

/// Between two writes of one client.
const PAUSE: Duration = Duration::from_millis(60);
/// Keys that are written again and again, so that an old copy that lands late would be noticed.
const KEYS: usize = 40;
/// Each so many writes, one is an object.
const OBJECTS: usize = 4;

/// Something that a client writes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// An item of the issues table.
    Item(usize),
    /// An object of the media bucket.
    Object(usize),
}

/// What is known about a key: the last acknowledged version, and those whose answer never came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Written {
    pub(crate) acknowledged: Option<u64>,
    pub(crate) unknown: Vec<u64>,
}

/// Everything a client wrote.
pub(crate) type Journal = BTreeMap<Key, Written>;

/// The stores of one region.
#[derive(Clone)]
pub(crate) struct Stores {
    pub(crate) region: String,
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    pub(crate) s3: aws_sdk_s3::Client,
}

impl Stores {
    pub(crate) fn of(region: &Region) -> Self {
        Self { region: region.name().to_owned(), dynamodb: dynamodb_client(region), s3: s3_client(region) }
    }
}

/// One client of one tenant.
pub(crate) struct Client {
    pub(crate) stage: Arc<Stage>,
    pub(crate) tenant: String,
    pub(crate) stores: Vec<Stores>,
    pub(crate) random: Random,
}

/// Where the tenant's issues and media are, and until when that may be relied on.
struct Context {
    issues: String,
    media: String,
    until: Instant,
}

impl Client {
    /// Writes until the run is over.
    pub(crate) async fn run(mut self) -> Journal {
        let mut journal = Journal::new();
        let mut context = None;
        let mut version = 0;
        let over = self.stage.over.clone();
        while !over.is_cancelled() {
            tokio::time::sleep(PAUSE).await;
            if context.as_ref().is_none_or(|context: &Context| context.until <= Instant::now()) {
                context = self.read_context().await;
            }
            let Some(context) = &context else { continue };
            version += 1;
            self.write(context, version, &mut journal).await;
        }
        journal
    }

    /// `None` while the tenant is offline, and while nobody says.
    async fn read_context(&self) -> Option<Context> {
        let asked = Instant::now();
        let answer = self.stage.api.ask_once(&Request::get(&format!("tenants/{}", self.tenant))).await?;
        if answer.text("status") != "online" {
            return None;
        }
        let shard = |service: &str, prefix: &str| {
            let mut placements = answer.body["placements"].as_array()?.iter();
            let placement = placements.find(|placement| placement["service"] == service)?;
            Some(placement["shard"].as_str()?.strip_prefix(prefix)?.to_owned())
        };
        let (issues, media) = (shard("issue-service", "issues-")?, shard("media-service", "media-")?);
        Some(Context { issues, media, until: asked + CONTEXT_TTL })
    }

    async fn write(&mut self, context: &Context, version: u64, journal: &mut Journal) {
        let number = self.random.below(KEYS);
        let key = if self.random.below(OBJECTS) == 0 { Key::Object(number) } else { Key::Item(number) };
        let known = journal.entry(key.clone()).or_default();
        // A write whose answer never came may still arrive, and would be taken for the newest.
        if !known.unknown.is_empty() {
            return;
        }
        let (stage, tenant) = (&self.stage, &self.tenant);
        let at = |region: &str| self.stores.iter().find(|stores| stores.region == region).cloned();
        let region = if matches!(key, Key::Item(_)) { &context.issues } else { &context.media };
        let Some(stores) = at(region) else {
            return stage.problem(format!("{tenant} is placed in {region}, which does not exist"));
        };
        // Checked at the last moment: the time until here counts too.
        if context.until <= Instant::now() {
            return;
        }
        let written = tokio::time::timeout(CLIENT_TIMEOUT, put(&stores, tenant, &key, version)).await;
        if matches!(written, Ok(true)) {
            known.acknowledged = Some(version);
            stage.count("write.acknowledged");
        } else {
            known.unknown.push(version);
            stage.count("write.unknown");
        }
    }
}

/// The name of a key in its store.
pub(crate) fn name_of(tenant: &str, key: &Key) -> String {
    match key {
        Key::Item(number) => format!("{tenant}-written-{number}"),
        Key::Object(number) => format!("{tenant}/written/{number}"),
    }
}

async fn put(stores: &Stores, tenant: &str, key: &Key, version: u64) -> bool {
    let name = name_of(tenant, key);
    match key {
        Key::Item(number) => {
            let request = stores.dynamodb.put_item().table_name("issues");
            let request =
                request.item("pk", AttributeValue::S(name)).item("sk", AttributeValue::S("written".to_owned()));
            let request = request.item("tenant_shard", AttributeValue::S(format!("{tenant}#{}", number % 10)));
            request.item("version", AttributeValue::N(version.to_string())).send().await.is_ok()
        }
        Key::Object(_) => {
            let body = ByteStream::from(version.to_string().into_bytes());
            let request = stores.s3.put_object().bucket(format!("media-{}", stores.region)).key(name);
            request.metadata("version", version.to_string()).body(body).send().await.is_ok()
        }
    }
}
