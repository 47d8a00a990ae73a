//! What a table is made of, and what a write to it costs where.

use std::sync::Arc;

use dynoxide::types::{
    GlobalSecondaryIndex, KeySchemaElement, KeyType, LocalSecondaryIndex, ProjectionType, item_size,
};
use dynoxide::{AttributeValue, Database, Item};

use super::counts::Place;
use super::model::Charge;

/// A table's keys and indexes.
#[derive(Debug)]
pub(super) struct Schema {
    pub(super) table: Arc<str>,
    keys: Vec<String>,
    indexes: Vec<Index>,
}

#[derive(Debug)]
struct Index {
    name: Arc<str>,
    /// A local index has its entries in the base table's partitions.
    local: bool,
    hash: Vec<String>,
    keys: Vec<String>,
    projects: ProjectionType,
    also: Vec<String>,
}

/// Units of a write of this many bytes: one for each KiB begun (DynamoDB Developer Guide, "DynamoDB read and write operations").
pub(super) fn write_units(bytes: usize) -> f64 {
    bytes.div_ceil(1024).max(1) as f64
}

/// Units of a read of this many bytes: one for each 4 KiB begun when consistent, half as many when not (same page).
pub(super) fn read_units(bytes: usize, consistent: bool) -> f64 {
    let whole = bytes.div_ceil(4096).max(1) as f64;
    if consistent { whole } else { whole / 2.0 }
}

impl Schema {
    /// `None` when there is no such table.
    pub(super) fn of(database: &Database, table: &str) -> Option<Self> {
        let found = database.get_table_metadata(table).ok()??;
        let keys: Vec<KeySchemaElement> = serde_json::from_str(&found.key_schema).ok()?;
        let global: Vec<GlobalSecondaryIndex> = found.gsi_definitions.map_or(Some(Vec::new()), |text| read(&text))?;
        let local: Vec<LocalSecondaryIndex> = found.lsi_definitions.map_or(Some(Vec::new()), |text| read(&text))?;
        let global = global.into_iter().map(|index| (index.index_name, index.key_schema, index.projection, false));
        let local = local.into_iter().map(|index| (index.index_name, index.key_schema, index.projection, true));
        let indexes = global.chain(local).map(|(name, keys, projection, local)| Index {
            name: name.into(),
            local,
            hash: hash_of(&keys),
            keys: names(keys),
            projects: projection.projection_type.unwrap_or_default(),
            also: projection.non_key_attributes.unwrap_or_default(),
        });
        Some(Self { table: table.into(), indexes: indexes.collect(), keys: names(keys) })
    }

    /// The attributes of the table's key in an item, in the key's order, as one text.
    pub(super) fn key_of(&self, item: &Item) -> Option<String> {
        values(item, &self.keys)
    }

    /// The item's key alone.
    pub(super) fn key(&self, item: &Item) -> Item {
        self.keys.iter().filter_map(|name| Some((name.clone(), item.get(name)?.clone()))).collect()
    }

    /// The partition of the base table that holds the item.
    pub(super) fn base(&self, item: &Item, partitions: u32) -> Option<Place> {
        Some(base(&values(item, &self.keys[..1])?, partitions))
    }

    /// The attributes that choose the partition: of the table, or of this index.
    pub(super) fn hash_keys(&self, index: Option<&str>) -> Option<&[String]> {
        match index {
            None => Some(&self.keys[..1]),
            Some(index) => self.index(index).map(|index| if index.local { &self.keys[..1] } else { &index.hash[..] }),
        }
    }

    /// The partition where entries of this index (or, without one, items) with these values of the hash keys are.
    pub(super) fn place(&self, index: Option<&str>, value: &str, partitions: u32) -> Place {
        match index.and_then(|index| self.index(index)).filter(|index| !index.local) {
            Some(index) => Place::Index { index: index.name.clone(), value: plain(value).into() },
            None => base(value, partitions),
        }
    }

    fn index(&self, name: &str) -> Option<&Index> {
        self.indexes.iter().find(|index| &*index.name == name)
    }

    /// What turning `old` into `new` costs: at the base table the larger of the two, at an index only what changes there. `factor` is
    /// 2 in a transaction; it does not apply to indexes.
    pub(super) fn write(&self, old: Option<&Item>, new: Option<&Item>, factor: f64, partitions: u32) -> Vec<Charge> {
        let Some(base) = old.or(new).and_then(|item| self.base(item, partitions)) else { return Vec::new() };
        let bytes = old.map_or(0, item_size).max(new.map_or(0, item_size));
        let mut charges = vec![Charge { place: base.clone(), units: factor * write_units(bytes) }];
        for index in &self.indexes {
            for (value, units) in index.write(old, new, &self.keys) {
                let place = match index.local {
                    true => base.clone(),
                    false => Place::Index { index: index.name.clone(), value: plain(&value).into() },
                };
                charges.push(Charge { place, units });
            }
        }
        charges
    }
}

impl Index {
    /// Units by hash key (DynamoDB Developer Guide, "Using global secondary indexes", on write capacity): a new entry costs its size, so does
    /// one that goes; a key that changes is both; a change in place costs the larger; no change of what is projected, nothing.
    fn write(&self, old: Option<&Item>, new: Option<&Item>, table_keys: &[String]) -> Vec<(String, f64)> {
        let entry = |item: Option<&Item>| item.and_then(|item| self.entry(item, table_keys));
        let units = |entry: &Entry| write_units(item_size(&entry.projected));
        match (entry(old), entry(new)) {
            (None, None) => Vec::new(),
            (Some(only), None) | (None, Some(only)) => vec![(only.hash.clone(), units(&only))],
            (Some(old), Some(new)) if old.key != new.key => {
                vec![(old.hash.clone(), units(&old)), (new.hash.clone(), units(&new))]
            }
            (Some(old), Some(new)) if old.projected == new.projected => Vec::new(),
            (Some(old), Some(new)) => vec![(new.hash.clone(), units(&old).max(units(&new)))],
        }
    }

    /// `None` when the item is not in the index, for want of one of its keys.
    fn entry(&self, item: &Item, table_keys: &[String]) -> Option<Entry> {
        let (key, hash) = (values(item, &self.keys)?, values(item, &self.hash)?);
        let kept = |name: &String| match self.projects {
            ProjectionType::ALL => true,
            _ => self.keys.contains(name) || table_keys.contains(name) || self.also.contains(name),
        };
        let projected = item.iter().filter(|(name, _)| kept(name));
        Some(Entry { key, hash, projected: projected.map(|(name, value)| (name.clone(), value.clone())).collect() })
    }
}

struct Entry {
    key: String,
    hash: String,
    projected: Item,
}

/// A key value as text: with its type, as the emulator writes it.
pub(super) fn value(value: &AttributeValue) -> Option<String> {
    value.to_key_string()
}

fn values(item: &Item, names: &[String]) -> Option<String> {
    let values: Option<Vec<String>> = names.iter().map(|name| value(item.get(name)?)).collect();
    values.map(|values| values.join("\u{1f}"))
}

/// What people call a key value: without its type.
fn plain(value: &str) -> &str {
    value.split_once(':').map_or(value, |(_, plain)| plain)
}

fn base(value: &str, partitions: u32) -> Place {
    let hash = blake3::hash(value.as_bytes());
    let first: [u8; 4] = hash.as_bytes()[..4].try_into().expect("a hash is longer");
    Place::Base(u32::from_le_bytes(first) % partitions)
}

fn names(keys: Vec<KeySchemaElement>) -> Vec<String> {
    keys.into_iter().map(|key| key.attribute_name).collect()
}

fn hash_of(keys: &[KeySchemaElement]) -> Vec<String> {
    keys.iter().filter(|key| key.key_type == KeyType::HASH).map(|key| key.attribute_name.clone()).collect()
}

fn read<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}
