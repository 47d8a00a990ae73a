//! A simulated table: a base that is read consistently, and an index over it that is late. Until it has caught up it lists
//! items that are gone and misses items that are new.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use aws_sdk_dynamodb::types::AttributeValue;

use super::Millis;

/// An item, or the part of one that a projection or a key has.
pub type Attributes = HashMap<String, AttributeValue>;

/// Names of the attributes that matter to a table.
#[derive(Debug, Clone)]
pub struct TableShape {
    /// The primary key, a string.
    pub key: &'static str,
    /// The indexed attribute, a string.
    pub index_key: &'static str,
}

/// A page of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Primary keys, in their order.
    pub keys: Vec<String>,
    /// Where the next page starts after; `None` on the last.
    pub last: Option<String>,
}

/// A table.
#[derive(Debug)]
pub struct SimulatedTable {
    shape: TableShape,
    base: BTreeMap<String, Attributes>,
    index: BTreeMap<String, BTreeSet<String>>,
    /// What the index knows of each key.
    indexed: BTreeMap<String, String>,
    /// What the index has yet to learn: when, which key, its index value or that it is gone.
    unlearned: VecDeque<(Millis, String, Option<String>)>,
    /// The index's sort key: items without that attribute are not listed.
    sort: Option<&'static str>,
    /// When the index is ready; until then it answers nothing.
    ready_at: Millis,
}

impl SimulatedTable {
    /// An empty table.
    pub fn new(shape: TableShape) -> Self {
        let (base, index, indexed, unlearned) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new(), VecDeque::new());
        Self { shape, base, index, indexed, unlearned, sort: None, ready_at: 0 }
    }

    /// Makes the index anew, with another sort key or none; it is ready at that time.
    pub fn make_index(&mut self, sort: Option<&'static str>, ready_at: Millis) {
        (self.sort, self.ready_at) = (sort, ready_at);
    }

    /// The index's sort key, and whether it is ready at `now`.
    pub fn index(&self, now: Millis) -> (Option<&'static str>, bool) {
        (self.sort, self.ready_at <= now)
    }

    /// Writes an item at `now`; the index learns of it `lag` later. Returns what it replaced.
    ///
    /// # Panics
    /// Without the attributes of the shape.
    pub fn put(&mut self, item: Attributes, now: Millis, lag: Millis) -> Option<Attributes> {
        let key = text(&item, self.shape.key).expect("an item has its key").to_owned();
        let value = text(&item, self.shape.index_key).expect("an item has its index key").to_owned();
        self.learn_later(now + lag, key.clone(), Some(value));
        self.base.insert(key, item)
    }

    /// Deletes an item at `now`; the index learns of it `lag` later. Returns what was there.
    pub fn delete(&mut self, key: &str, now: Millis, lag: Millis) -> Option<Attributes> {
        let removed = self.base.remove(key)?;
        self.learn_later(now + lag, key.to_owned(), None);
        Some(removed)
    }

    /// An item, read consistently.
    pub fn get(&self, key: &str) -> Option<&Attributes> {
        self.base.get(key)
    }

    /// Every item, by key, read consistently.
    pub fn items(&self) -> impl Iterator<Item = (&str, &Attributes)> {
        self.base.iter().map(|(key, item)| (key.as_str(), item))
    }

    /// A page of the index as it is at `now`.
    pub fn page(&mut self, now: Millis, value: &str, after: Option<&str>, limit: usize) -> Page {
        self.catch_up(now);
        let Some(keys) = self.index.get(value) else { return Page { keys: Vec::new(), last: None } };
        let is_listed = |key: &&String| match (self.sort, self.base.get(*key)) {
            (Some(sort), Some(item)) => item.contains_key(sort),
            _ => true,
        };
        let rest = keys.iter().filter(|key| after.is_none_or(|after| key.as_str() > after));
        let mut rest = rest.filter(is_listed);
        let keys: Vec<String> = rest.by_ref().take(limit).cloned().collect();
        let last = rest.next().and(keys.last().cloned());
        Page { keys, last }
    }

    /// What is learned of one key is learned in the order in which it happened.
    fn learn_later(&mut self, at: Millis, key: String, value: Option<String>) {
        let before = self.unlearned.iter().filter(|(_, other, _)| *other == key).map(|(at, _, _)| *at).max();
        self.unlearned.push_back((at.max(before.unwrap_or(at)), key, value));
    }

    fn catch_up(&mut self, now: Millis) {
        let (due, later): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.unlearned).into_iter().partition(|(at, _, _)| *at <= now);
        self.unlearned = later;
        for (_, key, value) in due {
            if let Some(old) = self.indexed.remove(&key)
                && let Some(keys) = self.index.get_mut(&old)
            {
                keys.remove(&key);
            }
            if let Some(value) = value {
                self.index.entry(value.clone()).or_default().insert(key.clone());
                self.indexed.insert(key, value);
            }
        }
    }
}

/// A string attribute.
pub fn text<'a>(item: &'a Attributes, name: &str) -> Option<&'a str> {
    match item.get(name) {
        Some(AttributeValue::S(text)) => Some(text),
        _ => None,
    }
}

/// A number attribute that is whole.
pub fn number(item: &Attributes, name: &str) -> Option<i64> {
    match item.get(name) {
        Some(AttributeValue::N(number)) => number.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: TableShape = TableShape { key: "pk", index_key: "tenant_shard" };

    fn item(key: &str, value: &str) -> Attributes {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        HashMap::from([("pk".to_owned(), text(key)), ("tenant_shard".to_owned(), text(value))])
    }

    #[test]
    fn the_index_is_late_and_the_base_is_not() {
        let mut table = SimulatedTable::new(SHAPE);
        table.put(item("a", "t#0"), 0, 10);
        assert!(table.get("a").is_some());
        assert_eq!(table.page(9, "t#0", None, 5).keys, Vec::<String>::new());
        assert_eq!(table.page(10, "t#0", None, 5).keys, ["a"]);
        table.delete("a", 20, 10);
        assert!(table.get("a").is_none());
        assert_eq!(table.page(29, "t#0", None, 5).keys, ["a"]);
        assert_eq!(table.page(30, "t#0", None, 5).keys, Vec::<String>::new());
    }

    #[test]
    fn an_index_with_a_sort_key_lists_what_has_it() {
        let mut table = SimulatedTable::new(SHAPE);
        table.put(item("a", "t#0"), 0, 0);
        let mut with = item("b", "t#0");
        with.insert("due".to_owned(), AttributeValue::S("1".to_owned()));
        table.put(with, 0, 0);
        table.make_index(Some("due"), 5);
        assert_eq!((table.index(4), table.index(5)), ((Some("due"), false), (Some("due"), true)));
        assert_eq!(table.page(5, "t#0", None, 5).keys, ["b"]);
        table.make_index(None, 5);
        assert_eq!(table.page(5, "t#0", None, 5).keys, ["a", "b"]);
    }

    #[test]
    fn pages_follow_each_other_to_the_end() {
        let mut table = SimulatedTable::new(SHAPE);
        for key in ["a", "b", "c"] {
            table.put(item(key, "t#0"), 0, 0);
        }
        let first = table.page(0, "t#0", None, 2);
        assert_eq!((first.keys.len(), first.last.as_deref()), (2, Some("b")));
        let second = table.page(0, "t#0", first.last.as_deref(), 2);
        assert_eq!((second.keys, second.last), (vec!["c".to_owned()], None));
    }

    #[test]
    fn news_of_one_key_do_not_overtake_each_other() {
        let mut table = SimulatedTable::new(SHAPE);
        table.put(item("a", "t#0"), 0, 100);
        table.delete("a", 1, 0);
        assert_eq!(table.page(100, "t#0", None, 5).keys, Vec::<String>::new());
    }
}
