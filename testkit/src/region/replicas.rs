//! Tables that replicate by themselves, as DynamoDB's global tables do: a change that a region's table has
//! accepted is made in the others a while later, in the same order, and each says so when it is described.
//! What was replicated is not replicated further.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hyper::{Request, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use crate::Error;
use crate::fault_proxies::forward::{Forward, Reply, Whole, operation, with_body};

/// The links that lead out of one region.
#[derive(Clone, Default)]
pub(super) struct Replicas(Arc<Mutex<Vec<Link>>>);

/// From a table to the table of the same name in another region.
struct Link {
    table: String,
    region: String,
    to: Forward,
    delay: Duration,
    /// What is on its way, once there has been anything.
    queue: Option<UnboundedSender<(Instant, Whole)>>,
}

impl std::fmt::Debug for Replicas {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let links = self.links();
        out.debug_list().entries(links.iter().map(|link| (&link.table, &link.region))).finish()
    }
}

impl Replicas {
    /// From now on changes of `table` reach `region`, whose DynamoDB is `behind` its front, after `delay`.
    pub(super) fn link(&self, table: &str, region: &str, behind: &str, delay: Duration) -> Result<(), Error> {
        let to = Forward::to(behind)?;
        self.links().push(Link { table: table.to_owned(), region: region.to_owned(), to, delay, queue: None });
        Ok(())
    }

    /// The table replicates nowhere any more. What is on its way still arrives.
    pub(super) fn unlink(&self, table: &str) {
        self.links().retain(|link| link.table != table);
    }

    fn links(&self) -> MutexGuard<'_, Vec<Link>> {
        self.0.lock().expect("no holder of this lock panics")
    }

    /// What a request and its answer mean for the replicas; the answer, with them in it if it describes a
    /// table.
    pub(super) fn after(&self, request: &Whole, reply: Reply) -> Reply {
        if reply.status() != StatusCode::OK || self.links().is_empty() {
            return reply;
        }
        match operation(request.headers()) {
            "DescribeTable" => self.described(reply),
            "PutItem" | "DeleteItem" | "UpdateItem" | "BatchWriteItem" => {
                self.send(request);
                reply
            }
            _ => reply,
        }
    }

    fn described(&self, reply: Reply) -> Reply {
        let Ok(mut body) = serde_json::from_slice::<Value>(reply.body()) else { return reply };
        let name = body["Table"]["TableName"].as_str().unwrap_or_default().to_owned();
        let replicas: Vec<Value> = self.links().iter().filter(|link| link.table == name).map(shown).collect();
        if replicas.is_empty() {
            return reply;
        }
        body["Table"]["Replicas"] = replicas.into();
        body["Table"]["GlobalTableVersion"] = "2019.11.21".into();
        with_body(reply, body.to_string())
    }

    fn send(&self, request: &Whole) {
        let Ok(body) = serde_json::from_slice::<Value>(request.body()) else { return };
        for link in self.links().iter_mut() {
            let Some(body) = of_table(&body, &link.table) else { continue };
            let mut copy = Request::new(body.to_string().into());
            *copy.headers_mut() = request.headers().clone();
            *copy.method_mut() = request.method().clone();
            *copy.uri_mut() = request.uri().clone();
            let due = Instant::now() + link.delay;
            // A closed queue has lost its runtime, and with it the region.
            drop(link.queue().send((due, copy)));
        }
    }
}

impl Link {
    fn queue(&mut self) -> &UnboundedSender<(Instant, Whole)> {
        let to = &self.to;
        self.queue.get_or_insert_with(|| {
            let (sender, mut queue) = unbounded_channel::<(Instant, Whole)>();
            let to = to.clone();
            tokio::spawn(async move {
                while let Some((due, request)) = queue.recv().await {
                    tokio::time::sleep_until(due).await;
                    let reply = to.pass(request).await;
                    if reply.status() != StatusCode::OK {
                        tracing::warn!(status = %reply.status(), "a change was not replicated");
                    }
                }
            });
            sender
        })
    }
}

fn shown(link: &Link) -> Value {
    json!({ "RegionName": link.region, "ReplicaStatus": "ACTIVE" })
}

/// The part of a request that changes the table; `None` when none does.
fn of_table(body: &Value, table: &str) -> Option<Value> {
    if body["TableName"] == table {
        return Some(body.clone());
    }
    let changes = body["RequestItems"].get(table)?;
    Some(json!({ "RequestItems": { table: changes } }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_batch_only_the_tables_own_changes_go_to_its_replicas() {
        let batch = json!({ "RequestItems": { "a": [1], "b": [2] }, "ReturnConsumedCapacity": "TOTAL" });
        assert_eq!(of_table(&batch, "a"), Some(json!({ "RequestItems": { "a": [1] } })));
        assert_eq!(of_table(&batch, "c"), None);
        let put = json!({ "TableName": "a", "Item": {} });
        assert_eq!(of_table(&put, "a"), Some(put.clone()));
        assert_eq!(of_table(&put, "b"), None);
    }
}
