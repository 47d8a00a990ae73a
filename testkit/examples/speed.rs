//! Measures what the embedded regions do in this build: items and objects a second, seeded and copied over HTTP.
//! `cargo run -p testkit --example speed [ITEMS [OBJECTS]]`. It judges nothing.

use std::collections::HashMap;
use std::time::Instant;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, PutRequest, WriteRequest};
use aws_sdk_s3::primitives::ByteStream;
use futures::{StreamExt, TryStreamExt, stream};
use testkit::fixtures;
use testkit::region::{dynamodb_client, s3_client};
use testkit::{Error, Ports, Region, Storage, observe, prepare};

const SHARDS: u32 = 10;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<usize>());
    let items = arguments.next().and_then(Result::ok).unwrap_or(10_000);
    let objects = arguments.next().and_then(Result::ok).unwrap_or(2_000);
    let folder = tempfile::tempdir().map_err(|error| Error::new("make a folder", error))?;
    for disk in [false, true] {
        println!("{}", if disk { "on disk" } else { "in memory" });
        let storage = |name: &str| if disk { Storage::Disk(folder.path().join(name)) } else { Storage::Memory };
        let us = Region::start("us-east-1", storage("us"), Ports::Any)?;
        let eu = Region::start("eu-west-1", storage("eu"), Ports::Any)?;
        prepare(&[&us, &eu]).await?;
        let start = Instant::now();
        let sent = items.min(fixtures::BULK_ITEMS - 1);
        fixtures::seed_items(&us, "activity", "tenant_shard", "acme", SHARDS, sent, 1).await?;
        report("items seeded over HTTP", sent, start);
        let start = Instant::now();
        fixtures::import_items(&us, "issues", "tenant_shard", "acme", SHARDS, items, 1)?;
        report("items imported", items, start);
        let start = Instant::now();
        copy_items(&us, &eu).await?;
        report("items copied over HTTP", items, start);
        let start = Instant::now();
        let read = observe::table_items(&dynamodb_client(&eu), "issues").await?.len();
        report("items scanned", read, start);
        let start = Instant::now();
        fixtures::seed_objects(&us, "media-us-east-1", "acme/", objects, 1).await?;
        report("objects seeded", objects, start);
        let start = Instant::now();
        copy_objects(&us, &eu).await?;
        report("objects copied (get, put)", objects, start);
        let start = Instant::now();
        let read = observe::bucket_objects(&s3_client(&eu), "media-eu-west-1", "").await?.len();
        report("objects observed (get, tags)", read, start);
    }
    Ok(())
}

fn report(what: &str, count: usize, start: Instant) {
    let elapsed = start.elapsed();
    let rate = u32::try_from(count).map_or(0.0, f64::from) / elapsed.as_secs_f64();
    println!("  {what:<30} {count:>8} in {:>7.2} s  {rate:>9.0}/s", elapsed.as_secs_f64());
}

/// As a mover does: keys from the index, items by BatchGetItem, written by BatchWriteItem.
async fn copy_items(from: &Region, to: &Region) -> Result<(), Error> {
    let (source, target) = (dynamodb_client(from), dynamodb_client(to));
    let shards = (0..SHARDS).map(|shard| (source.clone(), target.clone(), format!("acme#{shard}")));
    stream::iter(shards).map(copy_shard).buffer_unordered(8).try_collect().await
}

async fn copy_shard(
    (source, target, shard): (aws_sdk_dynamodb::Client, aws_sdk_dynamodb::Client, String),
) -> Result<(), Error> {
    let query = source.query().table_name("issues").index_name("by-tenant");
    let query = query.key_condition_expression("tenant_shard = :shard");
    let mut keys =
        query.expression_attribute_values(":shard", AttributeValue::S(shard)).into_paginator().items().send();
    let mut batch = Vec::new();
    while let Some(key) = keys.next().await {
        let mut key = key.map_err(|error| Error::new("query", error))?;
        key.remove("tenant_shard");
        batch.push(key);
        if batch.len() == 25 {
            copy_batch(&source, &target, std::mem::take(&mut batch)).await?;
        }
    }
    if batch.is_empty() { Ok(()) } else { copy_batch(&source, &target, batch).await }
}

async fn copy_batch(
    source: &aws_sdk_dynamodb::Client,
    target: &aws_sdk_dynamodb::Client,
    keys: Vec<HashMap<String, AttributeValue>>,
) -> Result<(), Error> {
    let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
    let wanted = wanted.map_err(|error| Error::new("build", error))?;
    let got = source.batch_get_item().request_items("issues", wanted).send().await;
    let mut got = got.map_err(|error| Error::new("get", error))?.responses.unwrap_or_default();
    let writes = got.remove("issues").unwrap_or_default().into_iter().map(|item| {
        let put = PutRequest::builder().set_item(Some(item)).build();
        put.map(|put| WriteRequest::builder().put_request(put).build())
    });
    let writes = writes.collect::<Result<Vec<_>, _>>().map_err(|error| Error::new("build", error))?;
    let put = target.batch_write_item().request_items("issues", writes).send().await;
    put.map_err(|error| Error::new("write", error))?;
    Ok(())
}

async fn copy_objects(from: &Region, to: &Region) -> Result<(), Error> {
    let (source, target) = (s3_client(from), s3_client(to));
    let mut pages = source.list_objects_v2().bucket("media-us-east-1").into_paginator().send();
    let mut keys = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| Error::new("list", error))?;
        keys.extend(page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key));
    }
    let (source, target) = (&source, &target);
    stream::iter(keys)
        .map(|key| async move {
            let got = source.get_object().bucket("media-us-east-1").key(&key).send().await;
            let body = got.map_err(|error| Error::new("get", error))?.body.collect().await;
            let body = ByteStream::from(body.map_err(|error| Error::new("read", error))?.into_bytes());
            let put = target.put_object().bucket("media-eu-west-1").key(&key).body(body).send().await;
            put.map(|_| ()).map_err(|error| Error::new("put", error))
        })
        .buffer_unordered(8)
        .try_collect()
        .await
}
