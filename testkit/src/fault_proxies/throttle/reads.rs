//! What reads cost. A page's cost is known only when it has been read: it is let in while anything is left, and charged afterwards.

use std::collections::BTreeMap;

use dynoxide::Item;
use dynoxide::types::item_size;
use hyper::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::fault_proxies::expression::hash_values;
use crate::fault_proxies::forward::{Reply, Whole, json, with_body};
use crate::fault_proxies::throttle::answers::{cancelled, refusal};
use crate::fault_proxies::throttle::costs::read_units;
use crate::fault_proxies::throttle::front::{Answered, ThrottleFront};
use crate::fault_proxies::throttle::model::{Charge, Kind, Piece, Served};
use crate::fault_proxies::throttle::writes::with_unprocessed;
use crate::fault_proxies::wire::{Raw, changed, member};

#[derive(Deserialize)]
struct Get {
    #[serde(rename = "TableName")]
    table: String,
    #[serde(rename = "Key")]
    key: Item,
    #[serde(rename = "ConsistentRead", default)]
    consistent: bool,
}

#[derive(Deserialize)]
struct MemberOfTransaction {
    #[serde(rename = "Get")]
    get: Get,
}

#[derive(Deserialize)]
struct Consumed {
    #[serde(rename = "TableName")]
    table: String,
    #[serde(rename = "CapacityUnits")]
    units: f64,
}

impl ThrottleFront {
    pub(super) async fn get_one(&self, request: Whole, caller: &str) -> Answered {
        let Ok(get) = serde_json::from_slice::<Get>(request.body()) else { return Err(request) };
        let Some(piece) = self.get(&get, 1.0) else { return Err(request) };
        let refused = self.model.admit(&[piece], Served::InPart, caller).remove(0);
        if !refused.is_empty() {
            return Ok(json(StatusCode::BAD_REQUEST, refusal(&self.region, &refused)));
        }
        Ok(self.behind.pass(request).await)
    }

    pub(super) async fn get_together(&self, request: Whole, caller: &str) -> Answered {
        let Ok(object) = serde_json::from_slice::<Raw<'_>>(request.body()) else { return Err(request) };
        let Some(mut members) = member::<Vec<MemberOfTransaction>>(&object, "TransactItems") else {
            return Err(request);
        };
        members.iter_mut().for_each(|member| member.get.consistent = true);
        let pieces: Option<Vec<Piece>> = members.iter().map(|member| self.get(&member.get, 2.0)).collect();
        let Some(pieces) = pieces else { return Err(request) };
        let refused = self.model.admit(&pieces, Served::WholeOrNot, caller);
        if refused.iter().any(|reasons| !reasons.is_empty()) {
            return Ok(json(StatusCode::BAD_REQUEST, cancelled(&self.region, &refused)));
        }
        Ok(self.behind.pass(request).await)
    }

    /// One item by its key; its size is asked of the embedded database itself.
    fn get(&self, get: &Get, factor: f64) -> Option<Piece> {
        let schema = self.behind.tables.schema(&get.table)?;
        let found = self.behind.tables.look_up(&get.table, vec![get.key.clone()])?;
        let units = factor * read_units(found.first().map_or(0, item_size), get.consistent);
        let place = schema.base(&get.key, self.model.base_partitions())?;
        Some(Piece { table: schema.table.clone(), kind: Kind::Read, charges: vec![Charge { place, units }] })
    }

    /// BatchGetItem: each key is charged the least it can cost before, and the rest when the items have been read.
    pub(super) async fn get_batch(&self, request: Whole, caller: &str) -> Answered {
        let body = request.body().clone();
        let Ok(object) = serde_json::from_slice::<Raw<'_>>(&body) else { return Err(request) };
        let Some(tables) = member::<BTreeMap<String, Raw<'_>>>(&object, "RequestItems") else { return Err(request) };
        let Some(asked) = self.keys_asked(&tables) else { return Err(request) };
        let pieces: Vec<Piece> = asked.iter().map(|asked| asked.piece.clone()).collect();
        let refused = self.model.admit(&pieces, Served::InPart, caller);
        if !refused.is_empty() && refused.iter().all(|reasons| !reasons.is_empty()) {
            let reasons: Vec<_> = refused.into_iter().flatten().collect();
            return Ok(json(StatusCode::BAD_REQUEST, refusal(&self.region, &reasons)));
        }
        let (mut now, mut later) = (BTreeMap::new(), BTreeMap::new());
        for (asked, reasons) in asked.iter().zip(&refused) {
            let side: &mut BTreeMap<&str, Vec<&RawValue>> = if reasons.is_empty() { &mut now } else { &mut later };
            side.entry(asked.table).or_default().push(asked.key);
        }
        let partly = !later.is_empty();
        let (Some(now), Some(later)) = (requests(&tables, &now), requests(&tables, &later)) else {
            return Err(request);
        };
        let wanted = wants_capacity(&object);
        let mut changes = vec![("RequestItems", Some(now))];
        if !wanted {
            changes.push(("ReturnConsumedCapacity", Some("\"TOTAL\"".to_owned())));
        }
        let Some(body) = changed(&object, &changes) else { return Err(request) };
        let reply = self.behind.pass(request.map(|_| body.into())).await;
        self.settle_batch(&reply, &asked, &refused, caller);
        let reply = if wanted { reply } else { without_capacity(reply) };
        Ok(if partly { with_unprocessed(reply, "UnprocessedKeys", later) } else { reply })
    }

    fn keys_asked<'a>(&self, tables: &'a BTreeMap<String, Raw<'a>>) -> Option<Vec<Asked<'a>>> {
        let mut asked = Vec::new();
        for (table, request) in tables {
            let schema = self.behind.tables.schema(table)?;
            let consistent = member(request, "ConsistentRead").unwrap_or(false);
            for key in member::<Vec<&'a RawValue>>(request, "Keys")? {
                let place = schema.base(&serde_json::from_str(key.get()).ok()?, self.model.base_partitions())?;
                let charges = vec![Charge { place, units: read_units(0, consistent) }];
                let piece = Piece { table: schema.table.clone(), kind: Kind::Read, charges };
                asked.push(Asked { table, key, consistent, piece });
            }
        }
        Some(asked)
    }

    /// Only items of more than 4 KiB cost more than was charged; the answer is taken apart only when there are such.
    fn settle_batch<T>(&self, reply: &Reply, asked: &[Asked<'_>], refused: &[Vec<T>], caller: &str) {
        let Ok(object) = serde_json::from_slice::<Raw<'_>>(reply.body()) else { return };
        for consumed in member::<Vec<Consumed>>(&object, "ConsumedCapacity").unwrap_or_default() {
            let charged =
                asked.iter().zip(refused).filter(|(asked, no)| asked.table == consumed.table && no.is_empty());
            let charged: f64 = charged.map(|(asked, _)| asked.piece.charges[0].units).sum();
            if consumed.units > charged {
                let consistent = asked.iter().any(|asked| asked.table == consumed.table && asked.consistent);
                self.settle_large_items(&object, &consumed.table, consistent, caller);
            }
        }
    }

    fn settle_large_items(&self, answer: &Raw<'_>, table: &str, consistent: bool, caller: &str) {
        let items = member::<BTreeMap<String, Vec<Item>>>(answer, "Responses").and_then(|mut all| all.remove(table));
        let (Some(items), Some(schema)) = (items, self.behind.tables.schema(table)) else { return };
        let mut charges = Vec::new();
        for item in items {
            let units = read_units(item_size(&item), consistent) - read_units(0, consistent);
            if let Some(place) = schema.base(&item, self.model.base_partitions()).filter(|_| units > 0.0) {
                charges.push(Charge { place, units });
            }
        }
        self.model.settle(&Piece { table: schema.table.clone(), kind: Kind::Read, charges }, caller);
    }

    /// Query of a table or an index, and Scan of a table, which is charged to all its partitions alike.
    pub(super) async fn read_page(&self, request: Whole, caller: &str) -> Answered {
        let body = request.body().clone();
        let Ok(object) = serde_json::from_slice::<Raw<'_>>(&body) else { return Err(request) };
        let Some(table) = member::<String>(&object, "TableName") else { return Err(request) };
        let Some(schema) = self.behind.tables.schema(&table) else { return Err(request) };
        let index: Option<String> = member(&object, "IndexName");
        let partitions = self.model.base_partitions();
        let places = match schema.hash_keys(index.as_deref()).and_then(|names| hash_values(&object, names)) {
            Some(value) => vec![schema.place(index.as_deref(), &value, partitions)],
            None if index.is_none() => (0..partitions).map(super::counts::Place::Base).collect(),
            None => return Err(request),
        };
        let piece = |units: f64| {
            let share = units / places.len() as f64;
            let charges = places.iter().map(|place| Charge { place: place.clone(), units: share }).collect();
            Piece { table: schema.table.clone(), kind: Kind::Read, charges }
        };
        let refused = self.model.admit(&[piece(0.0)], Served::InPart, caller).remove(0);
        if !refused.is_empty() {
            return Ok(json(StatusCode::BAD_REQUEST, refusal(&self.region, &refused)));
        }
        let wanted = wants_capacity(&object);
        let request = if wanted {
            request
        } else {
            let asks = ("ReturnConsumedCapacity", Some("\"TOTAL\"".to_owned()));
            let Some(body) = changed(&object, &[asks]) else { return Err(request) };
            request.map(|_| body.into())
        };
        let reply = self.behind.pass(request).await;
        let answer = serde_json::from_slice::<Raw<'_>>(reply.body()).unwrap_or_default();
        if let Some(consumed) = member::<Consumed>(&answer, "ConsumedCapacity") {
            self.model.settle(&piece(consumed.units), caller);
        }
        Ok(if wanted { reply } else { without_capacity(reply) })
    }
}

/// A key of a batch.
struct Asked<'a> {
    table: &'a str,
    key: &'a RawValue,
    consistent: bool,
    piece: Piece,
}

/// The tables' requests with these keys only.
fn requests(tables: &BTreeMap<String, Raw<'_>>, keys: &BTreeMap<&str, Vec<&RawValue>>) -> Option<String> {
    let mut all = BTreeMap::new();
    for (table, keys) in keys {
        let keys = serde_json::to_string(keys).ok()?;
        let request = String::from_utf8(changed(tables.get(*table)?, &[("Keys", Some(keys))])?).ok()?;
        all.insert(*table, RawValue::from_string(request).ok()?);
    }
    serde_json::to_string(&all).ok()
}

fn wants_capacity(object: &Raw<'_>) -> bool {
    member::<String>(object, "ReturnConsumedCapacity").is_some_and(|mode| mode != "NONE")
}

/// The front asked, not the client.
fn without_capacity(reply: Reply) -> Reply {
    let body = reply.body().clone();
    let object = serde_json::from_slice::<Raw<'_>>(&body).ok();
    match object.and_then(|object| changed(&object, &[("ConsumedCapacity", None)])) {
        Some(body) => with_body(reply, body),
        None => reply,
    }
}
