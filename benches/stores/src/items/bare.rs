//! What it is measured against: the same reads and writes by the SDK alone, with nothing to go wrong: no permits, no checkpoints,
//! no digests, no second look.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client as Sdk;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, PutRequest, WriteRequest};
use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use testkit::region::dynamodb_client_at;

use super::{INDEX, INDEX_KEY, TABLE};
use crate::job::{Copied, Job, Reads};
use crate::{Error, SOURCE_REGION, TARGET_REGION, TENANT};

pub(super) type Item = HashMap<String, AttributeValue>;

const MOST_KEYS: usize = 100;
pub(super) const MOST_PUTS: usize = 25;
const PAGE: i32 = 1_000;

/// Copies with so many batches of 100 items in flight.
pub(super) async fn copy(job: &Job, in_flight: usize) -> Result<Copied, Error> {
    let from = dynamodb_client_at(SOURCE_REGION, &job.regions.from);
    let to = dynamodb_client_at(TARGET_REGION, &job.regions.to);
    let parts = (0..job.parts).map(|part| Box::pin(keys(&from, format!("{TENANT}#{part}"))));
    let copied = stream::select_all(parts)
        .map_ok(|keys| {
            let (from, to, target) = (from.clone(), to.clone(), job.target.clone());
            async move {
                let copied = tokio::spawn(async move { batch(&from, &to, &target, keys).await }).await;
                copied.map_err(|_| Error::Part("the bare loop panicked".to_owned()))?
            }
        })
        .try_buffer_unordered(in_flight);
    let items = copied.try_fold(0, |sum, items| async move { Ok(sum + items) }).await?;
    Ok(Copied { count: items, reads: Reads { base: items, index: items } })
}

/// Keys of one index value, at most 100 at a time.
pub(super) fn keys(from: &Sdk, value: String) -> impl Stream<Item = Result<Vec<Item>, Error>> + Send + '_ {
    let pages = stream::try_unfold(Some(None), move |start: Option<Option<Item>>| {
        let (from, value) = (from.clone(), value.clone());
        async move {
            let Some(start) = start else { return Ok(None) };
            let page = from
                .query()
                .table_name(TABLE)
                .index_name(INDEX)
                .key_condition_expression("#index = :value")
                .projection_expression("pk, sk")
                .expression_attribute_names("#index", INDEX_KEY)
                .expression_attribute_values(":value", AttributeValue::S(value))
                .limit(PAGE)
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| Error::part(&error))?;
            let keys = page.items.unwrap_or_default();
            let chunks: Vec<Vec<Item>> = keys.chunks(MOST_KEYS).map(<[Item]>::to_vec).collect();
            let next = page.last_evaluated_key.filter(|key| !key.is_empty()).map(Some);
            Ok::<_, Error>(Some((chunks, next)))
        }
    });
    pages.map_ok(|chunks| stream::iter(chunks).map(Ok)).try_flatten()
}

async fn batch(from: &Sdk, to: &Sdk, target: &str, keys: Vec<Item>) -> Result<u64, Error> {
    let mut items = read(from, TABLE, keys).await?;
    let count = items.len() as u64;
    while !items.is_empty() {
        let puts = items.split_off(items.len().saturating_sub(MOST_PUTS)).into_iter().map(put);
        let request = to.batch_write_item().request_items(target, puts.collect::<Result<Vec<_>, _>>()?);
        let written = request.send().await.map_err(|error| Error::part(&error))?;
        if written.unprocessed_items().is_some_and(|left| !left.is_empty()) {
            return Err(Error::part("an unthrottled region left a write undone"));
        }
    }
    Ok(count)
}

/// The items under at most 100 keys.
pub(super) async fn read(from: &Sdk, table: &str, keys: Vec<Item>) -> Result<Vec<Item>, Error> {
    let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
    let wanted = wanted.map_err(|error| Error::part(&error))?;
    let read = from.batch_get_item().request_items(table, wanted).send().await.map_err(|error| Error::part(&error))?;
    Ok(read.responses.unwrap_or_default().into_values().flatten().collect())
}

pub(super) fn put(item: Item) -> Result<WriteRequest, Error> {
    let put = PutRequest::builder().set_item(Some(item)).build().map_err(|error| Error::part(&error))?;
    Ok(WriteRequest::builder().put_request(put).build())
}
