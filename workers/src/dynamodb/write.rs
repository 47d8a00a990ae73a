//! Writes and deletes items in batches. Neither can be asked for without a permit, and each attempt takes a fresh one.

use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, PutRequest, WriteRequest};

use super::{Item, Table};
use crate::error::WorkError;
use crate::patience::Patience;
use crate::permit::{Permits, RemovalPermit, WritePermit};
use crate::pulse::Pulse;

/// BatchWriteItem takes at most this many requests (DynamoDB API Reference, "BatchWriteItem").
const MOST_REQUESTS: usize = 25;
/// BatchWriteItem takes at most 16 MiB; the rest is left for names and punctuation of the request itself.
const MOST_BYTES: usize = 15 << 20;
/// A write unit covers this many bytes (DynamoDB Developer Guide, "Read and write operations").
const UNIT_BYTES: usize = 1024;

impl Table {
    /// Writes all items, replacing those with the same keys.
    pub(super) async fn put(
        &self,
        items: Vec<Item>,
        permits: &Permits<'_>,
        pulse: &Pulse<'_>,
    ) -> Result<(), WorkError> {
        for batch in batches(items, put_request)? {
            let mut left = Left::new(self, batch, pulse);
            while !left.is_empty() {
                self.pacer.turn(left.units, pulse).await?;
                let permit = permits.write().await?;
                let answer = self.send_puts(&permit, left.requests.clone()).await;
                left.after(answer).await?;
            }
        }
        Ok(())
    }

    /// Deletes the items with these keys.
    pub(super) async fn delete(
        &self,
        keys: Vec<Item>,
        permits: &Permits<'_>,
        pulse: &Pulse<'_>,
    ) -> Result<(), WorkError> {
        for batch in batches(keys, delete_request)? {
            let mut left = Left::new(self, batch, pulse);
            while !left.is_empty() {
                self.pacer.turn(left.units, pulse).await?;
                let permit = permits.removal().await?;
                let answer = self.send_deletes(&permit, left.requests.clone()).await;
                left.after(answer).await?;
            }
        }
        Ok(())
    }

    async fn send_puts(&self, _: &WritePermit, puts: Vec<WriteRequest>) -> Result<Vec<WriteRequest>, WorkError> {
        self.send("write items to", puts).await
    }

    async fn send_deletes(
        &self,
        _: &RemovalPermit,
        deletes: Vec<WriteRequest>,
    ) -> Result<Vec<WriteRequest>, WorkError> {
        self.send("delete items from", deletes).await
    }

    /// Sends one request and gives back what the store left undone. Only for the two functions above, which see a permit.
    async fn send(&self, doing: &str, requests: Vec<WriteRequest>) -> Result<Vec<WriteRequest>, WorkError> {
        let request = self.writes.batch_write_item().request_items(&self.name, requests);
        let answer = request.send().await.map_err(|error| self.site.failed(doing, error))?;
        Ok(answer.unprocessed_items.unwrap_or_default().into_values().flatten().collect())
    }
}

/// What is still to be sent of one batch.
struct Left<'a> {
    table: &'a Table,
    requests: Vec<WriteRequest>,
    /// Write units of all of them.
    units: u64,
    pulse: &'a Pulse<'a>,
    patience: Patience<'a>,
}

impl<'a> Left<'a> {
    fn new(table: &'a Table, requests: Vec<WriteRequest>, pulse: &'a Pulse<'a>) -> Self {
        let patience = Patience::new(table.settings.patience, pulse);
        Self { table, units: units(&requests), requests, pulse, patience }
    }

    fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Takes the answer to a request for all of it. Whole requests are safe to send again: a put or delete repeated is the
    /// same put or delete.
    async fn after(&mut self, answer: Result<Vec<WriteRequest>, WorkError>) -> Result<(), WorkError> {
        let (asked, asked_units) = (self.requests.len(), self.units);
        let why = match answer {
            Ok(undone) => {
                (self.units, self.requests) = (units(&undone), undone);
                self.table.pacer.accepted(asked_units.saturating_sub(self.units));
                if self.requests.is_empty() {
                    return self.pulse.beat().await;
                }
                if self.requests.len() < asked {
                    self.patience.progress();
                }
                let message = format!("{} leaves {} requests undone", self.table.site, self.requests.len());
                WorkError::retryable("throttled", message)
            }
            Err(error) => error,
        };
        if why.code == "throttled" {
            self.table.pacer.throttled();
        }
        self.patience.wait(why).await
    }
}

fn put_request(item: Item) -> Result<WriteRequest, WorkError> {
    let put = PutRequest::builder().set_item(Some(item)).build().map_err(unbuilt)?;
    Ok(WriteRequest::builder().put_request(put).build())
}

fn delete_request(key: Item) -> Result<WriteRequest, WorkError> {
    let delete = DeleteRequest::builder().set_key(Some(key)).build().map_err(unbuilt)?;
    Ok(WriteRequest::builder().delete_request(delete).build())
}

fn unbuilt(error: aws_sdk_dynamodb::error::BuildError) -> WorkError {
    WorkError::permanent("store_error", "a request for one item could not be built").because(error)
}

/// Splits into batches that BatchWriteItem takes, by number and by size on the wire.
fn batches(
    items: Vec<Item>,
    request: impl Fn(Item) -> Result<WriteRequest, WorkError>,
) -> Result<Vec<Vec<WriteRequest>>, WorkError> {
    let mut batches: Vec<Vec<WriteRequest>> = Vec::new();
    let mut size = 0;
    for item in items {
        let request = request(item)?;
        let bytes = request_size(&request);
        let fits = size + bytes <= MOST_BYTES && batches.last().is_some_and(|batch| batch.len() < MOST_REQUESTS);
        if !fits {
            batches.push(Vec::with_capacity(MOST_REQUESTS));
            size = 0;
        }
        size += bytes;
        let batch = batches.last_mut().expect("one was pushed if there was none");
        batch.push(request);
    }
    Ok(batches)
}

fn units(requests: &[WriteRequest]) -> u64 {
    requests.iter().map(|request| request_size(request).div_ceil(UNIT_BYTES) as u64).sum()
}

fn request_size(request: &WriteRequest) -> usize {
    let put = request.put_request().map_or(0, |put| map_size(put.item()));
    put + request.delete_request().map_or(0, |delete| map_size(delete.key()))
}

/// Bytes on the wire, from above: text escaped for JSON and binary in base64 take more than what the store keeps.
fn map_size(map: &Item) -> usize {
    map.iter().map(|(name, value)| text_size(name) + value_size(value) + 4).sum::<usize>() + 2
}

fn value_size(value: &AttributeValue) -> usize {
    const AROUND: usize = 12;
    let content = match value {
        AttributeValue::S(text) | AttributeValue::N(text) => text_size(text),
        AttributeValue::B(blob) => base64_size(blob.as_ref().len()),
        AttributeValue::Ss(texts) | AttributeValue::Ns(texts) => texts.iter().map(|text| text_size(text) + 3).sum(),
        AttributeValue::Bs(blobs) => blobs.iter().map(|blob| base64_size(blob.as_ref().len()) + 3).sum(),
        AttributeValue::L(list) => list.iter().map(|element| value_size(element) + 1).sum(),
        AttributeValue::M(map) => map_size(map),
        _ => 5,
    };
    content + AROUND
}

fn text_size(text: &str) -> usize {
    text.bytes()
        .map(|b| {
            if b < 0x20 {
                6
            } else if b == b'"' || b == b'\\' {
                2
            } else {
                1
            }
        })
        .sum()
}

fn base64_size(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(text: String) -> Item {
        Item::from([("pk".to_owned(), AttributeValue::S(text))])
    }

    #[test]
    fn batches_keep_to_number_and_size_and_lose_nothing() {
        let small = batches((0..60).map(|n| item(n.to_string())).collect(), put_request).expect("the batch is built");
        assert_eq!(small.iter().map(Vec::len).collect::<Vec<_>>(), [25, 25, 10]);
        // 400 KiB of control characters are 2.4 MiB on the wire.
        let large = batches((0..25).map(|_| item("\u{1}".repeat(400 << 10))).collect(), put_request)
            .expect("the batch is built");
        assert_eq!(large.iter().map(Vec::len).sum::<usize>(), 25);
        assert!(large.iter().all(|batch| batch.iter().map(request_size).sum::<usize>() <= MOST_BYTES));
        let one = batches(vec![item("x".repeat(MOST_BYTES + 1))], put_request).expect("the batch is built");
        assert_eq!(one.len(), 1);
    }
}
