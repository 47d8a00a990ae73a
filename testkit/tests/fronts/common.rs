//! A region, a front before it, a clock that stands still, and a plain SDK client that tries once.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{Credentials, timeout::TimeoutConfig};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, PutRequest, WriteRequest};
use testkit::fault_proxies::throttle::{Clock, Key, Limits, Place, Settings, Throttle};
use testkit::region::{dynamodb_client, dynamodb_client_at};
use testkit::{Ports, Region, Storage, fixtures};

pub(crate) const TABLE: &str = "issues";
pub(crate) const INDEX: &str = "by-tenant";
pub(crate) const KEY: &str = "tenant_shard";

pub(crate) type Item = HashMap<String, AttributeValue>;

/// Moves only when told.
#[derive(Clone, Default)]
pub(crate) struct Time(Arc<AtomicU64>);

impl Time {
    pub(crate) fn pass(&self, time: Duration) {
        self.0.fetch_add(u64::try_from(time.as_nanos()).unwrap(), Ordering::SeqCst);
    }

    pub(crate) fn clock(&self) -> Clock {
        let now = self.0.clone();
        Arc::new(move || Duration::from_nanos(now.load(Ordering::SeqCst)))
    }
}

pub(crate) struct Bench {
    pub(crate) region: Region,
    pub(crate) throttle: Throttle,
    pub(crate) time: Time,
    pub(crate) client: Client,
}

/// Limits without saved capacity.
pub(crate) fn limits(write: f64, read: f64) -> Limits {
    Limits { write, read, burst: Duration::ZERO }
}

/// Plenty for the table, little for the index.
pub(crate) fn settings(index: Limits, time: &Time) -> Settings {
    Settings { table: limits(1e9, 1e9), index, base_partitions: 1, clock: time.clock(), ..Settings::default() }
}

pub(crate) async fn bench(settings: impl FnOnce(&Time) -> Settings) -> Bench {
    let region = Region::start("eu-west-1", Storage::Memory, Ports::Any).unwrap();
    fixtures::create_table(&dynamodb_client(&region), TABLE, INDEX, KEY).await.unwrap();
    let time = Time::default();
    let throttle = Throttle::before(&region, settings(&time)).unwrap();
    let client = once(throttle.endpoint(), "MOVER");
    Bench { region, throttle, time, client }
}

/// A client that does not try again.
pub(crate) fn once(endpoint: &str, caller: &str) -> Client {
    let config = dynamodb_client_at("eu-west-1", endpoint).config().to_builder();
    let config = config
        .credentials_provider(Credentials::new(caller, "secret", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_timeout(Duration::from_secs(60)).build());
    Client::from_conf(config.build())
}

pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(crate) fn key(n: usize) -> Item {
    HashMap::from([("pk".to_owned(), text(format!("p{n:06}"))), ("sk".to_owned(), text("s"))])
}

/// An item in the partition `value` of the index.
pub(crate) fn item(n: usize, value: &str) -> Item {
    let mut item = key(n);
    item.insert(KEY.to_owned(), text(value));
    item
}

/// The same with `bytes` more in it.
pub(crate) fn large(n: usize, value: &str, bytes: usize) -> Item {
    let mut item = item(n, value);
    item.insert("body".to_owned(), AttributeValue::B(Blob::new(vec![7; bytes - "body".len()])));
    item
}

pub(crate) fn puts(items: impl IntoIterator<Item = Item>) -> Vec<WriteRequest> {
    let put = |item| PutRequest::builder().set_item(Some(item)).build().unwrap();
    items.into_iter().map(|item| WriteRequest::builder().put_request(put(item)).build()).collect()
}

pub(crate) fn deletes(keys: impl IntoIterator<Item = Item>) -> Vec<WriteRequest> {
    let delete = |key| DeleteRequest::builder().set_key(Some(key)).build().unwrap();
    keys.into_iter().map(|key| WriteRequest::builder().delete_request(delete(key)).build()).collect()
}

/// How many of these items a batch writes; zero when it is refused as a whole.
pub(crate) async fn written(client: &Client, requests: Vec<WriteRequest>) -> usize {
    let asked = requests.len();
    match client.batch_write_item().request_items(TABLE, requests).send().await {
        Ok(answer) => asked - answer.unprocessed_items().and_then(|all| all.get(TABLE)).map_or(0, Vec::len),
        Err(error) => {
            let error = error.into_service_error();
            assert!(error.is_provisioned_throughput_exceeded_exception(), "{error:?}");
            0
        }
    }
}

/// Writes new items in batches of 25 until one is not written; how many were.
pub(crate) async fn write_until_throttled(client: &Client, from: usize, value: &str) -> usize {
    for batch in 0.. {
        let numbers = (0..25).map(|n| from + 25 * batch + n);
        let now = written(client, puts(numbers.map(|n| item(n, value)))).await;
        if now < 25 {
            return 25 * batch + now;
        }
    }
    unreachable!("the loop ends only there")
}

pub(crate) fn of_index(value: &str) -> impl Fn(&Key) -> bool + '_ {
    move |key| matches!(&key.place, Place::Index { value: found, .. } if **found == *value)
}

pub(crate) fn of_table(key: &Key) -> bool {
    key.place == Place::Table
}
