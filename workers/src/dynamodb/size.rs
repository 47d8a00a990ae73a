//! How large items are: in the store, which counts units by it, and on the wire, which limits requests.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Item;
use crate::tables::{AttributeValue, Change};

/// A write unit covers this many bytes, a read unit four times as many (DynamoDB Developer Guide, "Read and write operations").
const WRITE_UNIT: usize = 1024;
const READ_UNIT: usize = 4096;
/// What is counted by one request, and what an entry of an index is taken for that is not seen.
const COUNTED: u64 = 1 << 20;
const ENTRY: u64 = 128;
/// What a list or map takes besides its content (DynamoDB Developer Guide, "Item sizes and formats").
const NESTED: usize = 3;
/// What a byte of text can become in JSON: `\u001f`.
const MOST_ESCAPED: usize = 6;

/// Write units of an item that is written or deleted.
pub(super) fn write_units(item: &Item) -> u64 {
    stored(item).div_ceil(WRITE_UNIT).max(1) as u64
}

/// Write units of an item's entry in an index that holds these of its attributes; all of them when `None`.
pub(super) fn entry_units(item: &Item, held: Option<&[String]>) -> u64 {
    let size = match held {
        None => stored(item),
        Some(held) => item.iter().filter(|(name, _)| held.contains(name)).map(stored_attribute).sum(),
    };
    size.div_ceil(WRITE_UNIT).max(1) as u64
}

/// Read units of an item that is read consistently.
pub(super) fn read_units(item: &Item) -> u64 {
    stored(item).div_ceil(READ_UNIT).max(1) as u64
}

/// Read units of so many keys under which these items were found.
pub(super) fn read_units_of(items: &[Item], keys: usize) -> u64 {
    items.iter().map(read_units).sum::<u64>() + keys.saturating_sub(items.len()) as u64
}

/// Half read units of a page of an index that was only counted; all but the last are of 1 MiB (DynamoDB API Reference, "Query").
pub(super) fn count_units(entries: u64, is_last: bool) -> u64 {
    let bytes = if is_last { (entries.saturating_mul(ENTRY)).min(COUNTED) } else { COUNTED };
    bytes.div_ceil(READ_UNIT as u64).max(1)
}

/// Half read units of entries of an index, read eventually consistently by one query.
pub(super) fn query_units(entries: &[Item]) -> u64 {
    stored_bytes(entries).div_ceil(READ_UNIT).max(1) as u64
}

/// Bytes of all items as the store keeps them.
pub(super) fn stored_bytes(items: &[Item]) -> usize {
    items.iter().map(stored).sum()
}

fn stored(item: &Item) -> usize {
    item.iter().map(stored_attribute).sum()
}

fn stored_attribute((name, value): (&String, &AttributeValue)) -> usize {
    name.len() + stored_value(value)
}

fn stored_value(value: &AttributeValue) -> usize {
    let number = |text: &String| text.len().div_ceil(2) + 1;
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(text) => number(text),
        AttributeValue::B(blob) => blob.as_ref().len(),
        AttributeValue::Ss(texts) => texts.iter().map(String::len).sum(),
        AttributeValue::Ns(numbers) => numbers.iter().map(number).sum(),
        AttributeValue::Bs(blobs) => blobs.iter().map(|blob| blob.as_ref().len()).sum(),
        AttributeValue::L(list) => NESTED + list.iter().map(|element| stored_value(element) + 1).sum::<usize>(),
        AttributeValue::M(map) => NESTED + stored(map) + map.len(),
        _ => 1,
    }
}

/// Bytes on the wire at most, told without a look at each byte: a character of text takes up to six in JSON, binary is in base64.
pub(super) fn on_wire(change: &Change) -> usize {
    let (Change::Put(map) | Change::Delete(map)) = change;
    map_on_wire(map)
}

fn map_on_wire(map: &Item) -> usize {
    map.iter().map(|(name, value)| text_on_wire(name) + value_on_wire(value) + 4).sum::<usize>() + 2
}

fn value_on_wire(value: &AttributeValue) -> usize {
    const AROUND: usize = 12;
    let content = match value {
        AttributeValue::S(text) => text_on_wire(text),
        AttributeValue::N(number) => number.len(),
        AttributeValue::B(blob) => base64_size(blob.as_ref().len()),
        AttributeValue::Ss(texts) => texts.iter().map(|text| text_on_wire(text) + 3).sum(),
        AttributeValue::Ns(numbers) => numbers.iter().map(|number| number.len() + 3).sum(),
        AttributeValue::Bs(blobs) => blobs.iter().map(|blob| base64_size(blob.as_ref().len()) + 3).sum(),
        AttributeValue::L(list) => list.iter().map(|element| value_on_wire(element) + 1).sum(),
        AttributeValue::M(map) => map_on_wire(map),
        _ => 5,
    };
    content + AROUND
}

fn text_on_wire(text: &str) -> usize {
    text.len() * MOST_ESCAPED
}

fn base64_size(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

/// How large a table's items and pages have been lately: what is about to be read is not known before.
#[derive(Debug, Default)]
pub(super) struct Sizes {
    /// Read units of an item, times [`EXACT`]; 0 before any was seen.
    item: AtomicU64,
    /// Write units of an item, likewise.
    write: AtomicU64,
    /// Half read units of a page of the index.
    page: AtomicU64,
}

const EXACT: u64 = 64;

impl Sizes {
    pub(super) fn saw_items(&self, items: &[Item]) {
        for (average, units_of) in [(&self.item, read_units as fn(&Item) -> u64), (&self.write, write_units)] {
            if let Some(units) = (items.iter().map(units_of).sum::<u64>() * EXACT).checked_div(items.len() as u64) {
                average.store(units, Ordering::Relaxed);
            }
        }
    }

    /// Write units of all changes.
    pub(super) fn write_units(&self, changes: &[Change]) -> u64 {
        changes.iter().map(|change| self.units_of(change)).sum()
    }

    /// Write units of one change. A deletion takes those of its item, which are known on average.
    pub(super) fn units_of(&self, change: &Change) -> u64 {
        match change {
            Change::Put(item) => write_units(item),
            Change::Delete(_) => self.write.load(Ordering::Relaxed).max(EXACT).div_ceil(EXACT),
        }
    }

    pub(super) fn saw_page(&self, units: u64) {
        self.page.store(units, Ordering::Relaxed);
    }

    /// Read units of so many items.
    pub(super) fn items(&self, count: usize) -> u64 {
        (count as u64 * self.item.load(Ordering::Relaxed).max(EXACT)) / EXACT
    }

    /// How many keys so many read units are enough for; at least one.
    pub(super) fn keys_in(&self, units: u64) -> usize {
        let keys = units.saturating_mul(EXACT) / self.item.load(Ordering::Relaxed).max(EXACT);
        usize::try_from(keys).unwrap_or(usize::MAX).max(1)
    }

    /// Half read units of a page.
    pub(super) fn page(&self) -> u64 {
        self.page.load(Ordering::Relaxed).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(bytes: usize) -> Item {
        Item::from([("pk".to_owned(), AttributeValue::S("x".repeat(bytes - 2)))])
    }

    #[test]
    fn a_deletion_takes_the_units_of_what_was_read_before() {
        let (sizes, deletion) = (Sizes::default(), Change::Delete(item(10)));
        assert_eq!(sizes.units_of(&deletion), 1, "nothing was read");
        sizes.saw_items(&[item(4_000), item(1_000)]);
        assert_eq!(sizes.write_units(&[deletion.clone(), deletion]), 6, "2.5 each, rounded up");
        assert_eq!(sizes.units_of(&Change::Put(item(4_000))), 4);
    }

    #[test]
    fn what_was_read_and_counted_is_known_afterwards() {
        assert_eq!(read_units_of(&[item(4_096), item(4_097)], 5), 1 + 2 + 3, "a key without an item takes one");
        assert_eq!((count_units(0, true), count_units(33, true), count_units(7, false)), (1, 2, 256));
        assert_eq!(count_units(1_000_000, true), 256);
    }
}
