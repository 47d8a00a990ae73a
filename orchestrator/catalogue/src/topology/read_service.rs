//! Reads services, shards and stores from the tree of the file.

use std::collections::BTreeMap;

use super::model::{Consistency, Replication, Service, Shard, StoreSpec};
use super::read::{Fields, Reader};
use crate::topology::yaml_tree::{Node, Value};

const SERVICE: [&str; 5] = ["store", "replication", "consistency", "optional", "shards"];
const SHARD: [&str; 5] = ["shard", "dataRegions", "url", "metadata", "store"];
const STORES: [&str; 3] = ["dynamodb", "s3", "hooks"];

impl Reader {
    pub(super) fn service(&mut self, node: &Node, path: &str) -> Service {
        let mut fields = self.fields(node, path, &SERVICE);
        let store = self.required(&mut fields, "store");
        let store = store.and_then(|node| self.store(node, &fields.path("store")));
        let replication = self.word(
            &mut fields,
            "replication",
            &[("none", Replication::None), ("application", Replication::Application), ("native", Replication::Native)],
        );
        let words = [("sync", Consistency::Sync), ("async", Consistency::Async)];
        let consistency = self.word(&mut fields, "consistency", &words);
        let optional = self.flag(&mut fields, "optional");
        let shards = self.required(&mut fields, "shards");
        let shards = self.list(shards, &fields.path("shards"));
        Service {
            // Never seen by anyone: the problem reported with it keeps the topology from being used.
            store: store.unwrap_or(StoreSpec::Hooks { url: String::new(), secret: None, longest_seconds: None }),
            replication: replication.unwrap_or_default(),
            consistency,
            optional,
            shards: shards.into_iter().map(|(path, node)| self.shard(node, &path)).collect(),
        }
    }

    fn shard(&mut self, node: &Node, path: &str) -> Shard {
        let mut fields = self.fields(node, path, &SHARD);
        let shard = self.required_text(&mut fields, "shard");
        let data_regions = self.required(&mut fields, "dataRegions");
        let data_regions = self.list(data_regions, &fields.path("dataRegions"));
        let data_regions = data_regions.into_iter().map(|(path, entry)| self.text(entry, &path)).collect();
        let url = fields.take("url").map(|node| self.text(node, &fields.path("url")));
        let metadata = self.metadata(&mut fields);
        let store = fields.take("store").and_then(|node| self.store(node, &fields.path("store")));
        Shard { shard, data_regions, url, metadata, store }
    }

    fn metadata(&mut self, fields: &mut Fields<'_>) -> BTreeMap<String, serde_json::Value> {
        let Some(node) = fields.take("metadata") else { return BTreeMap::new() };
        let entries = self.map(node, &fields.path("metadata"));
        entries.into_iter().map(|(key, value)| (key.value.clone(), value.value.to_json())).collect()
    }

    fn store(&mut self, node: &Node, path: &str) -> Option<StoreSpec> {
        let mut fields = self.fields(node, path, &STORES);
        if self.is_unreadable(path) {
            return None;
        }
        let mut found = STORES.iter().filter_map(|kind| fields.take(kind).map(|node| (*kind, node)));
        let Some((kind, node)) = found.next() else {
            self.unreadable(path, format!("must name one kind of store: {}", STORES.join(", ")));
            return None;
        };
        if let Some((other, _)) = found.next() {
            self.unreadable(path, format!("has both {kind} and {other}: a store is of one kind"));
            return None;
        }
        let path = fields.path(kind);
        Some(match kind {
            "dynamodb" => self.dynamodb(node, &path),
            "s3" => {
                let mut fields = self.fields(node, &path, &["bucket", "prefix"]);
                let bucket = self.required_text(&mut fields, "bucket");
                StoreSpec::S3 { bucket, prefix: self.required_text(&mut fields, "prefix") }
            }
            _ => {
                let mut fields = self.fields(node, &path, &["url", "secret", "longestSeconds"]);
                let url = self.required_text(&mut fields, "url");
                let secret = fields.take("secret").map(|node| self.text(node, &fields.path("secret")));
                let longest = fields.take("longestSeconds");
                let longest_seconds = longest.map(|node| self.count(node, &fields.path("longestSeconds")).into());
                StoreSpec::Hooks { url, secret, longest_seconds }
            }
        })
    }

    fn dynamodb(&mut self, node: &Node, path: &str) -> StoreSpec {
        let mut fields = self.fields(node, path, &["table", "index", "indexKey", "shardCount", "keyPrefix", "limits"]);
        let table = self.required_text(&mut fields, "table");
        let index = self.required_text(&mut fields, "index");
        let index_key = self.required_text(&mut fields, "indexKey");
        let count = self.required(&mut fields, "shardCount");
        let shard_count = count.map_or(0, |node| self.count(node, &fields.path("shardCount")));
        let key_prefix = fields.take("keyPrefix").map(|node| self.text(node, &fields.path("keyPrefix")));
        let limits = self.limits(&mut fields);
        StoreSpec::Dynamodb { table, index, index_key, shard_count, key_prefix, limits }
    }

    /// A number outside u32 is absurd either way: clamped, so that validation says what is allowed.
    pub(super) fn count(&mut self, node: &Node, path: &str) -> u32 {
        match &node.value {
            Value::Whole(count) => u32::try_from((*count).clamp(0, u32::MAX.into())).unwrap_or(u32::MAX),
            other => {
                self.unreadable(path, format!("must be a whole number, not {}", other.kind()));
                0
            }
        }
    }

    fn word<T: Copy>(&mut self, fields: &mut Fields<'_>, name: &str, words: &[(&str, T)]) -> Option<T> {
        let node = fields.take(name)?;
        let text = self.text(node, &fields.path(name));
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() && !text.is_empty() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.unreadable(&fields.path(name), format!("`{text}` is not known here; known: {}", known.join(", ")));
        }
        found
    }

    fn flag(&mut self, fields: &mut Fields<'_>, name: &str) -> bool {
        match fields.take(name).map(|node| &node.value) {
            None => false,
            Some(Value::Flag(flag)) => *flag,
            Some(other) => {
                self.unreadable(&fields.path(name), format!("must be true or false, not {}", other.kind()));
                false
            }
        }
    }
}
