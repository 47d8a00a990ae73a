//! The canonical bytes of an item: equal exactly when two items are equal.
//!
//! Every value is tagged with its type, everything of variable length is preceded by its length or count, maps are sorted
//! by name and sets by element, so that the form is injective. Numbers are taken as the store returns them: DynamoDB
//! normalises them on writing, so one that comes back different has been changed.

use super::Item;
use crate::error::WorkError;
use crate::tables::AttributeValue;

/// Appends the canonical bytes of `item` to `out`.
pub(super) fn item(item: &Item, out: &mut Vec<u8>) -> Result<(), WorkError> {
    let mut attributes: Vec<_> = item.iter().collect();
    attributes.sort_unstable_by_key(|(name, _)| name.as_bytes());
    length(attributes.len(), out);
    for (name, attribute) in attributes {
        bytes(name.as_bytes(), out);
        value(attribute, out)?;
    }
    Ok(())
}

fn value(attribute: &AttributeValue, out: &mut Vec<u8>) -> Result<(), WorkError> {
    match attribute {
        AttributeValue::S(text) => tagged(b'S', text.as_bytes(), out),
        AttributeValue::N(number) => tagged(b'N', number.as_bytes(), out),
        AttributeValue::B(blob) => tagged(b'B', blob.as_ref(), out),
        AttributeValue::Bool(truth) => out.extend_from_slice(&[b'?', u8::from(*truth)]),
        AttributeValue::Null(truth) => out.extend_from_slice(&[b'0', u8::from(*truth)]),
        AttributeValue::Ss(texts) => set(b's', texts.iter().map(String::as_bytes), out),
        AttributeValue::Ns(numbers) => set(b'n', numbers.iter().map(String::as_bytes), out),
        AttributeValue::Bs(blobs) => set(b'b', blobs.iter().map(AsRef::as_ref), out),
        AttributeValue::L(list) => {
            out.push(b'L');
            length(list.len(), out);
            for element in list {
                value(element, out)?;
            }
        }
        AttributeValue::M(map) => {
            out.push(b'M');
            item(map, out)?;
        }
        _ => {
            let message =
                "an item has an attribute of a type that this version does not know: upgrade before moving it";
            return Err(WorkError::permanent("item_invalid", message));
        }
    }
    Ok(())
}

fn tagged(tag: u8, content: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    bytes(content, out);
}

fn set<'a>(tag: u8, elements: impl Iterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    let mut elements: Vec<_> = elements.collect();
    elements.sort_unstable();
    out.push(tag);
    length(elements.len(), out);
    elements.into_iter().for_each(|element| bytes(element, out));
}

fn bytes(content: &[u8], out: &mut Vec<u8>) {
    length(content.len(), out);
    out.extend_from_slice(content);
}

fn length(length: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&(length as u64).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use aws_smithy_types::Blob;
    use proptest::prelude::*;

    use super::*;

    fn canonical(of: &Item) -> Vec<u8> {
        let mut out = Vec::new();
        item(of, &mut out).expect("known types only");
        out
    }

    fn any_value() -> impl Strategy<Value = AttributeValue> {
        let text = prop_oneof!["[a-b]{0,2}", ".{0,4}"];
        let leaf = prop_oneof![
            text.clone().prop_map(AttributeValue::S),
            "[0-9]{1,3}".prop_map(AttributeValue::N),
            prop::collection::vec(any::<u8>(), 0..3).prop_map(|b| AttributeValue::B(Blob::new(b))),
            any::<bool>().prop_map(AttributeValue::Bool),
            Just(AttributeValue::Null(true)),
            prop::collection::btree_set("[a-b]{0,2}", 0..3).prop_map(|s| AttributeValue::Ss(s.into_iter().collect())),
            prop::collection::btree_set("[0-9]{1,2}", 0..3).prop_map(|s| AttributeValue::Ns(s.into_iter().collect())),
            prop::collection::btree_set("[a-b]{0,2}", 0..3)
                .prop_map(|s| AttributeValue::Bs(s.into_iter().map(Blob::new).collect())),
        ];
        leaf.prop_recursive(3, 12, 3, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(AttributeValue::L),
                prop::collection::hash_map("[a-b]{0,2}", inner, 0..3).prop_map(AttributeValue::M),
            ]
        })
    }

    fn any_item() -> impl Strategy<Value = Item> {
        prop::collection::hash_map("[a-b]{0,2}", any_value(), 0..4)
    }

    fn shuffled(value: &AttributeValue) -> AttributeValue {
        match value {
            AttributeValue::Ss(set) => AttributeValue::Ss(set.iter().rev().cloned().collect()),
            AttributeValue::Ns(set) => AttributeValue::Ns(set.iter().rev().cloned().collect()),
            AttributeValue::Bs(set) => AttributeValue::Bs(set.iter().rev().cloned().collect()),
            AttributeValue::L(list) => AttributeValue::L(list.iter().map(shuffled).collect()),
            AttributeValue::M(map) => AttributeValue::M(map.iter().map(|(k, v)| (k.clone(), shuffled(v))).collect()),
            other => other.clone(),
        }
    }

    proptest! {
        #[test]
        fn equal_bytes_exactly_for_equal_items(left in any_item(), right in any_item()) {
            prop_assert_eq!(left == right, canonical(&left) == canonical(&right));
        }

        #[test]
        fn the_order_of_sets_and_attributes_does_not_show(original in any_item()) {
            let same: Item = original.iter().map(|(name, value)| (name.clone(), shuffled(value))).collect();
            prop_assert_eq!(canonical(&original), canonical(&same));
        }
    }

    #[test]
    fn look_alikes_differ() {
        let of = |value| canonical(&HashMap::from([("a".to_owned(), value)]));
        let text = |t: &str| AttributeValue::S(t.to_owned());
        let alike = [
            text("1"),
            AttributeValue::N("1".to_owned()),
            AttributeValue::N("1.0".to_owned()),
            AttributeValue::B(Blob::new("1")),
            AttributeValue::Ss(vec!["1".to_owned()]),
            AttributeValue::Ns(vec!["1".to_owned()]),
            AttributeValue::L(vec![text("1")]),
            AttributeValue::L(vec![text("1"), text("")]),
            AttributeValue::L(vec![text(""), text("1")]),
            AttributeValue::M(HashMap::from([("1".to_owned(), text(""))])),
            AttributeValue::Bool(true),
            AttributeValue::Null(true),
        ];
        for (n, left) in alike.iter().enumerate() {
            for right in &alike[n + 1..] {
                assert_ne!(of(left.clone()), of(right.clone()), "{left:?} and {right:?}");
            }
        }
    }
}
