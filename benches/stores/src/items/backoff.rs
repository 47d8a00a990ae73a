//! What the pacing is measured against: a copy that sends as fast as it can and, whenever something is refused, waits
//! exponentially longer with jitter, as SDKs and most tools do.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client as Sdk;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::types::WriteRequest;
use futures::stream::TryStreamExt;
use testkit::region::dynamodb_client_at;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{TABLE, bare};
use crate::job::Job;
use crate::{Error, SOURCE_REGION, TARGET_REGION, TENANT};

/// As in the AWS SDKs' standard mode, but without an end to the attempts.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// Batches in flight for each part: as many as the movers have.
const IN_FLIGHT: usize = 4;

/// Copies everything; items copied.
pub(super) async fn copy(job: &Job) -> Result<u64, Error> {
    let from = dynamodb_client_at(SOURCE_REGION, &job.regions.from);
    let to = dynamodb_client_at(TARGET_REGION, &job.regions.to);
    let to = Sdk::from_conf(to.config().to_builder().retry_config(RetryConfig::disabled()).build());
    let mut parts = JoinSet::new();
    for part in 0..job.parts {
        let (from, to, target) = (from.clone(), to.clone(), job.target.clone());
        parts.spawn(async move {
            let batches = bare::keys(&from, format!("{TENANT}#{part}"))
                .map_ok(|keys| async { batch(&from, &to, &target, keys).await })
                .try_buffer_unordered(IN_FLIGHT);
            batches.try_fold(0, |sum, items| async move { Ok::<u64, Error>(sum + items) }).await
        });
    }
    let mut items = 0;
    while let Some(copied) = parts.join_next().await {
        items += copied.map_err(|_| Error::part("a part panicked"))??;
    }
    Ok(items)
}

async fn batch(from: &Sdk, to: &Sdk, target: &str, keys: Vec<bare::Item>) -> Result<u64, Error> {
    let mut items = bare::read(from, TABLE, keys).await?;
    let count = items.len() as u64;
    while !items.is_empty() {
        let puts = items.split_off(items.len().saturating_sub(bare::MOST_PUTS)).into_iter().map(bare::put);
        let mut left = HashMap::from([(target.to_owned(), puts.collect::<Result<Vec<_>, _>>()?)]);
        let mut wait = FIRST_WAIT;
        loop {
            left = attempt(to, left).await?;
            if left.is_empty() {
                break;
            }
            sleep(wait.mul_f64(jitter(&left))).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }
    Ok(count)
}

type Batch = HashMap<String, Vec<WriteRequest>>;

/// What is left of a batch after one attempt.
async fn attempt(to: &Sdk, batch: Batch) -> Result<Batch, Error> {
    match to.batch_write_item().set_request_items(Some(batch.clone())).send().await {
        Ok(answer) => Ok(answer.unprocessed_items.unwrap_or_default()),
        Err(error) if error.as_service_error().is_some() => Ok(batch),
        Err(error) => Err(Error::part(&error)),
    }
}

/// Between 0 and 1, from what is left: no two batches have the same.
fn jitter(left: &Batch) -> f64 {
    let first = left.values().flatten().next().and_then(|request| request.put_request());
    let text = first.map(|put| format!("{:?}", put.item().get("sk"))).unwrap_or_default();
    let mixed = text.bytes().fold(left.values().map(Vec::len).sum::<usize>(), |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(usize::from(byte))
    });
    (mixed % 1_000) as f64 / 1_000.0
}
