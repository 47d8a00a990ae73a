//! What writes cost, and what becomes of a batch that fits only in part.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use dynoxide::Item;
use hyper::StatusCode;
use serde_json::value::RawValue;

use crate::fault_proxies::asked::{Becomes, Member, writes};
use crate::fault_proxies::forward::{Reply, Whole, json, with_body};
use crate::fault_proxies::throttle::answers::{cancelled, refusal};
use crate::fault_proxies::throttle::front::{Answered, ThrottleFront};
use crate::fault_proxies::throttle::model::{Kind, Piece, Served};
use crate::fault_proxies::wire::{Raw, changed, member};

impl ThrottleFront {
    /// PutItem, DeleteItem and UpdateItem.
    pub(super) async fn write_one(&self, operation: &str, request: Whole, caller: &str) -> Answered {
        let Some(writes) = writes(operation, request.body()) else { return Err(request) };
        let Some((pieces, olds)) = self.pieces(&writes, 1.0) else { return Err(request) };
        let refused = self.model.admit(&pieces, Served::InPart, caller);
        if !refused[0].is_empty() {
            return Ok(json(StatusCode::BAD_REQUEST, refusal(&self.region, &refused[0])));
        }
        let reply = self.behind.pass(request).await;
        if reply.status() == StatusCode::OK {
            self.settle_unknown(&writes, &olds, 1.0, caller);
        }
        Ok(reply)
    }

    /// TransactWriteItems: all or nothing, at double the units in the base table.
    pub(super) async fn write_together(&self, request: Whole, caller: &str) -> Answered {
        let Some(writes) = writes("TransactWriteItems", request.body()) else { return Err(request) };
        let Some((pieces, olds)) = self.pieces(&writes, 2.0) else { return Err(request) };
        let refused = self.model.admit(&pieces, Served::WholeOrNot, caller);
        if refused.iter().any(|reasons| !reasons.is_empty()) {
            return Ok(json(StatusCode::BAD_REQUEST, cancelled(&self.region, &refused)));
        }
        let reply = self.behind.pass(request).await;
        if reply.status() == StatusCode::OK {
            self.settle_unknown(&writes, &olds, 2.0, caller);
        }
        Ok(reply)
    }

    /// BatchWriteItem: what fits is forwarded, the rest comes back as unprocessed.
    pub(super) async fn write_batch(&self, request: Whole, caller: &str) -> Answered {
        let body = request.body().clone();
        let Ok(object) = serde_json::from_slice::<Raw<'_>>(&body) else { return Err(request) };
        let Some(tables) = member::<BTreeMap<String, Vec<&RawValue>>>(&object, "RequestItems") else {
            return Err(request);
        };
        let flat: Vec<(&String, &RawValue)> =
            tables.iter().flat_map(|(table, members)| members.iter().map(move |member| (table, *member))).collect();
        let writes: Option<Vec<_>> = flat
            .iter()
            .map(|(table, raw)| Some(((*table).clone(), serde_json::from_str::<Member>(raw.get()).ok()?.becomes()?.1)))
            .collect();
        let Some(writes) = writes else { return Err(request) };
        let Some((pieces, _)) = self.pieces(&writes, 1.0) else { return Err(request) };
        let refused = self.model.admit(&pieces, Served::InPart, caller);
        if refused.iter().all(Vec::is_empty) {
            return Ok(self.behind.pass(request).await);
        }
        if refused.iter().all(|reasons| !reasons.is_empty()) {
            let reasons: Vec<_> = refused.into_iter().flatten().collect();
            return Ok(json(StatusCode::BAD_REQUEST, refusal(&self.region, &reasons)));
        }
        let (mut now, mut later) = (BTreeMap::<&String, Vec<&RawValue>>::new(), BTreeMap::new());
        for ((table, raw), reasons) in flat.into_iter().zip(&refused) {
            let side = if reasons.is_empty() { &mut now } else { &mut later };
            side.entry(table).or_insert_with(Vec::new).push(raw);
        }
        let (now, later) = (serde_json::to_string(&now), serde_json::to_string(&later));
        let (Ok(now), Ok(later)) = (now, later) else { return Err(request) };
        let Some(part) = changed(&object, &[("RequestItems", Some(now))]) else { return Err(request) };
        let reply = self.behind.pass(request.map(|_| part.into())).await;
        Ok(with_unprocessed(reply, "UnprocessedItems", later))
    }

    /// What each write costs, and the items as they are now. `None` when the store would refuse the request: it is left to do so.
    fn pieces(&self, writes: &[(String, Becomes)], factor: f64) -> Option<(Vec<Piece>, Vec<Option<Item>>)> {
        let olds = self.olds(writes)?;
        let mut pieces = Vec::with_capacity(writes.len());
        for ((table, becomes), old) in writes.iter().zip(&olds) {
            let schema = self.behind.tables.schema(table)?;
            let new = match becomes {
                Becomes::Sent(item) => Some(item),
                Becomes::Gone(_) => None,
                // What it costs beyond the old item is charged when it is known.
                Becomes::Unknown(_) => old.as_ref(),
            };
            let partitions = self.model.base_partitions();
            let mut charges = schema.write(old.as_ref(), new, factor, partitions);
            if charges.is_empty() {
                // Nothing there before or after: a unit all the same.
                charges = schema.write(None, Some(&schema.key(becomes.item())), factor, partitions);
                charges.truncate(1);
            }
            pieces.push(Piece { table: schema.table.clone(), kind: Kind::Write, charges });
        }
        Some((pieces, olds))
    }

    /// The items as they are now, asked of the embedded database itself.
    fn olds(&self, writes: &[(String, Becomes)]) -> Option<Vec<Option<Item>>> {
        let mut keys: BTreeMap<&str, Vec<Item>> = BTreeMap::new();
        for (table, becomes) in writes {
            keys.entry(table).or_default().push(self.behind.tables.schema(table)?.key(becomes.item()));
        }
        let mut found: HashMap<(Arc<str>, String), Item> = HashMap::new();
        for (table, keys) in keys {
            let schema = self.behind.tables.schema(table)?;
            for item in self.behind.tables.look_up(table, keys)? {
                found.insert((schema.table.clone(), schema.key_of(&item)?), item);
            }
        }
        writes
            .iter()
            .map(|(table, becomes)| {
                let schema = self.behind.tables.schema(table)?;
                Some(found.remove(&(schema.table.clone(), schema.key_of(becomes.item())?)))
            })
            .collect()
    }

    /// Charges what updates cost beyond what was charged before their result was known.
    fn settle_unknown(&self, writes: &[(String, Becomes)], olds: &[Option<Item>], factor: f64, caller: &str) {
        for ((table, becomes), old) in writes.iter().zip(olds) {
            let (Becomes::Unknown(key), Some(schema)) = (becomes, self.behind.tables.schema(table)) else { continue };
            let new = self.behind.tables.look_up(table, vec![key.clone()]).and_then(|mut found| found.pop());
            let partitions = self.model.base_partitions();
            let mut charges = schema.write(old.as_ref(), new.as_ref(), factor, partitions);
            let before = schema.write(old.as_ref(), old.as_ref(), factor, partitions);
            if let Some(charge) = charges.first_mut() {
                charge.units -= before.first().map_or(factor, |charge| charge.units);
            }
            self.model.settle(&Piece { table: schema.table.clone(), kind: Kind::Write, charges }, caller);
        }
    }
}

/// A successful answer that also says what was left undone.
pub(super) fn with_unprocessed(reply: Reply, name: &str, undone: String) -> Reply {
    if reply.status() != StatusCode::OK {
        return reply;
    }
    let body = reply.body().clone();
    let object = serde_json::from_slice::<Raw<'_>>(&body).ok();
    match object.and_then(|object| changed(&object, &[(name, Some(undone))])) {
        Some(body) => with_body(reply, body),
        None => reply,
    }
}
