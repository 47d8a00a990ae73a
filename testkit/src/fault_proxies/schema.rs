//! What a table is made of.

use std::sync::Arc;

use dynoxide::types::{GlobalSecondaryIndex, KeySchemaElement, KeyType, LocalSecondaryIndex, ProjectionType};
use dynoxide::{AttributeValue, Database, Item};

/// A table's keys and indexes.
#[derive(Debug)]
pub(crate) struct Schema {
    pub(crate) table: Arc<str>,
    /// The partition key and, if there is one, the sort key.
    pub(crate) keys: Vec<String>,
    pub(crate) indexes: Vec<Index>,
}

/// One of a table's secondary indexes.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) name: Arc<str>,
    /// A local index has its entries in the base table's partitions.
    pub(crate) local: bool,
    pub(crate) hash: Vec<String>,
    keys: Vec<String>,
    projects: ProjectionType,
    also: Vec<String>,
}

impl Schema {
    /// `None` when there is no such table.
    pub(crate) fn of(database: &Database, table: &str) -> Option<Self> {
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
    pub(crate) fn key_of(&self, item: &Item) -> Option<String> {
        values(item, &self.keys)
    }

    /// The item's key alone.
    pub(crate) fn key(&self, item: &Item) -> Item {
        self.keys.iter().filter_map(|name| Some((name.clone(), item.get(name)?.clone()))).collect()
    }

    /// The attributes that choose the partition: of the table, or of this index.
    pub(crate) fn hash_keys(&self, index: Option<&str>) -> Option<&[String]> {
        match index {
            None => Some(&self.keys[..1]),
            Some(index) => self.index(index).map(|index| if index.local { &self.keys[..1] } else { &index.hash[..] }),
        }
    }

    pub(crate) fn index(&self, name: &str) -> Option<&Index> {
        self.indexes.iter().find(|index| &*index.name == name)
    }
}

impl Index {
    /// `None` when the item is not in the index, for want of one of its keys.
    pub(crate) fn entry(&self, item: &Item, table_keys: &[String]) -> Option<Entry> {
        let (key, hash) = (values(item, &self.keys)?, values(item, &self.hash)?);
        let kept = |name: &String| match self.projects {
            ProjectionType::ALL => true,
            _ => self.keys.contains(name) || table_keys.contains(name) || self.also.contains(name),
        };
        let projected = item.iter().filter(|(name, _)| kept(name));
        Some(Entry { key, hash, projected: projected.map(|(name, value)| (name.clone(), value.clone())).collect() })
    }
}

/// What an index holds of an item.
pub(crate) struct Entry {
    /// Its place in the index, as one text.
    pub(crate) key: String,
    /// The hash part of it.
    pub(crate) hash: String,
    pub(crate) projected: Item,
}

/// A key value as text: with its type, as the emulator writes it.
pub(crate) fn value(value: &AttributeValue) -> Option<String> {
    value.to_key_string()
}

/// The values of some key attributes as one text.
pub(crate) fn values(item: &Item, names: &[String]) -> Option<String> {
    let values: Option<Vec<String>> = names.iter().map(|name| value(item.get(name)?)).collect();
    values.map(|values| values.join("\u{1f}"))
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
