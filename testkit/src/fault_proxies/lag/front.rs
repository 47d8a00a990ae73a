//! Remembers what writes replace, and answers queries of indexes from then.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use dynoxide::Item;
use hyper::StatusCode;
use tokio::sync::Mutex;

use crate::fault_proxies::asked::writes;
use crate::fault_proxies::expression::hash_values;
use crate::fault_proxies::forward::{Reply, Whole, operation, with_body};
use crate::fault_proxies::lag::{Shared, State};
use crate::fault_proxies::schema::{Entry, Schema};
use crate::fault_proxies::service::Front;
use crate::fault_proxies::upstream::Behind;
use crate::fault_proxies::wire::{Raw, changed, member};

#[derive(Clone)]
pub(super) struct LagFront {
    shared: Arc<Shared>,
    behind: Behind,
    /// One write at a time, so that nothing comes between looking at an item and changing it.
    writing: Arc<Mutex<()>>,
}

/// A query of an index: what it asks for, and how it wants its answer.
struct Asked {
    schema: Arc<Schema>,
    index: String,
    value: String,
    counts_only: bool,
    /// The attributes it wants; all that the index has when it does not say.
    wanted: Option<Vec<String>>,
}

impl Front for LagFront {
    async fn answer(&self, request: Whole) -> Reply {
        let operation = operation(request.headers()).to_owned();
        match operation.as_str() {
            "BatchWriteItem" | "PutItem" | "DeleteItem" | "UpdateItem" | "TransactWriteItems" => {
                let _alone = self.writing.lock().await;
                self.write(&operation, request).await
            }
            "Query" => self.query(request).await,
            _ => self.behind.pass(request).await,
        }
    }
}

impl LagFront {
    pub(super) fn new(shared: Arc<Shared>, behind: Behind) -> Self {
        Self { shared, behind, writing: Arc::default() }
    }

    /// A write in part or with conditions may leave items as they were: only what is different afterwards has changed.
    async fn write(&self, operation: &str, request: Whole) -> Reply {
        let mut keys: BTreeMap<String, Vec<Item>> = BTreeMap::new();
        for (table, write) in writes(operation, request.body()).unwrap_or_default() {
            if let Some(schema) = self.behind.tables.schema(&table) {
                keys.entry(table).or_default().push(schema.key(write.item()));
            }
        }
        let before = self.items(&keys);
        let reply = self.behind.pass(request).await;
        let mut after = self.items(&keys);
        self.shared.with(|state| {
            let now = (self.shared.clock)();
            for (address, old) in before {
                let new = after.remove(&address).flatten();
                if new != old {
                    state.history.changed(now, address, old, new);
                }
            }
        });
        reply
    }

    /// The items with these keys, or that they are not there.
    fn items(&self, keys: &BTreeMap<String, Vec<Item>>) -> HashMap<(String, String), Option<Item>> {
        let mut items = HashMap::new();
        for (table, keys) in keys {
            let Some(schema) = self.behind.tables.schema(table) else { continue };
            let address = |item: &Item| Some((table.clone(), schema.key_of(item)?));
            items.extend(keys.iter().filter_map(|key| Some((address(key)?, None))));
            let found = self.behind.tables.look_up(table, keys.clone()).unwrap_or_default();
            items.extend(found.into_iter().filter_map(|item| Some((address(&item)?, Some(item)))));
        }
        items
    }

    async fn query(&self, request: Whole) -> Reply {
        let body = request.body().clone();
        let object = serde_json::from_slice::<Raw<'_>>(&body).unwrap_or_default();
        let Some(asked) = self.asked(&object) else { return self.behind.pass(request).await };
        // The keys are needed to tell which entries are late.
        let all = [
            ("Select", None),
            ("ProjectionExpression", None),
            ("AttributesToGet", None),
            ("ExpressionAttributeNames", names_in_use(&object)),
        ];
        let Some(body) = changed(&object, &all) else { return self.behind.pass(request).await };
        let reply = self.behind.pass(request.map(|_| body.into())).await;
        if reply.status() != StatusCode::OK {
            return reply;
        }
        let answer = reply.body().clone();
        let Ok(answer) = serde_json::from_slice::<Raw<'_>>(&answer) else { return reply };
        let Some(items) = member::<Vec<Item>>(&answer, "Items") else { return reply };
        let last_page = !answer.contains_key("LastEvaluatedKey");
        let items = self.shared.with(|state| {
            let now = (self.shared.clock)();
            state.as_it_was(now, &asked, items, last_page)
        });
        let items: Vec<Item> = items.into_iter().map(|item| asked.only_wanted(item)).collect();
        let count = items.len().to_string();
        let listed = if asked.counts_only { None } else { serde_json::to_string(&items).ok() };
        let changes = [("Items", listed), ("Count", Some(count.clone())), ("ScannedCount", Some(count))];
        match changed(&answer, &changes) {
            Some(body) => with_body(reply, body),
            None => reply,
        }
    }

    /// `None` for what is no query of an index, or not understood.
    fn asked(&self, object: &Raw<'_>) -> Option<Asked> {
        let schema = self.behind.tables.schema(&member::<String>(object, "TableName")?)?;
        let index: String = member(object, "IndexName")?;
        let value = hash_values(object, schema.hash_keys(Some(&index))?)?;
        let counts_only = member::<String>(object, "Select").is_some_and(|select| select == "COUNT");
        let names: BTreeMap<String, String> = member(object, "ExpressionAttributeNames").unwrap_or_default();
        let wanted = member::<String>(object, "ProjectionExpression").map(|projection| {
            let name = |word: &str| names.get(word).cloned().unwrap_or_else(|| word.to_owned());
            projection.split(',').map(|word| name(word.trim())).collect()
        });
        Some(Asked { schema, index, value, counts_only, wanted })
    }
}

impl State {
    /// A page as it was `lag` ago: without what has come since, and, at the end, with what has gone since.
    fn as_it_was(&mut self, now: Duration, asked: &Asked, items: Vec<Item>, last_page: bool) -> Vec<Item> {
        if let Some(then) = now.checked_sub(self.lag) {
            self.history.forget(then);
        }
        let found = items.len();
        let mut items: Vec<Item> = items.into_iter().filter_map(|item| self.item_as_it_was(asked, item)).collect();
        self.hidden += (found - items.len()) as u64;
        if last_page {
            let gone = self.history.of_table(&asked.schema.table).filter_map(|(old, new)| {
                let old = asked.entry(old)?;
                let in_its_place = new.and_then(|new| asked.entry(new)).is_some_and(|new| new.key == old.key);
                if in_its_place { None } else { Some(old.projected) }
            });
            let gone: Vec<Item> = gone.collect();
            self.listed += gone.len() as u64;
            items.extend(gone);
        }
        items
    }

    /// `None` when it was not listed at this place then.
    fn item_as_it_was(&self, asked: &Asked, item: Item) -> Option<Item> {
        let address = (asked.schema.table.to_string(), asked.schema.key_of(&item)?);
        let Some(before) = self.history.before(&address) else { return Some(item) };
        let (before, now) = (asked.entry(before?)?, asked.entry(&item)?);
        Some(before.projected).filter(|_| before.key == now.key)
    }
}

impl Asked {
    /// What the index holds of the item, if it is in the partition that is asked for.
    fn entry(&self, item: &Item) -> Option<Entry> {
        let entry = self.schema.index(&self.index)?.entry(item, &self.schema.keys)?;
        Some(entry).filter(|entry| entry.hash == self.value)
    }

    fn only_wanted(&self, mut item: Item) -> Item {
        if let Some(wanted) = &self.wanted {
            item.retain(|name, _| wanted.contains(name));
        }
        item
    }
}

/// The names that what is left of the query still uses: DynamoDB refuses others.
fn names_in_use(object: &Raw<'_>) -> Option<String> {
    let mut names: BTreeMap<String, String> = member(object, "ExpressionAttributeNames")?;
    let left = ["KeyConditionExpression", "FilterExpression"];
    let left: Vec<String> = left.iter().filter_map(|name| member(object, name)).collect();
    names.retain(|name, _| left.iter().any(|text| text.contains(name)));
    if names.is_empty() { None } else { serde_json::to_string(&names).ok() }
}
