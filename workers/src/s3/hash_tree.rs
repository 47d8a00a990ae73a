//! The BLAKE3 hash of contents whose parts are hashed apart and in any order, the same as if they had been read from beginning to
//! end. BLAKE3 is a tree: a part whose size is a power of two of at least 1 KiB, and that begins at a multiple of it, is a whole
//! subtree, and 32 bytes stand for it. Of the parts that are done from the beginning on only a logarithm of them is kept, so a
//! checkpoint in the middle of an object of terabytes is small.

use std::collections::BTreeMap;

use blake3::hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use blake3::{Hash, Hasher};
use serde::{Deserialize, Serialize};

/// A hasher for the part that begins at `offset`; [`HasherExt::finalize_non_root`] gives what stands for it.
pub(super) fn part_hasher(offset: u64) -> Hasher {
    let mut hasher = Hasher::new();
    hasher.set_input_offset(offset);
    hasher
}

/// What stands for a part or for several. Written as 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
struct Node(ChainingValue);

impl From<Node> for String {
    fn from(node: Node) -> Self {
        Hash::from_bytes(node.0).to_hex().to_string()
    }
}

impl TryFrom<String> for Node {
    type Error = blake3::HexError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Ok(Self(*Hash::from_hex(text)?.as_bytes()))
    }
}

/// Which of at least two parts have been hashed, and what stands for them. Stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tree {
    /// So many parts from the beginning on are done.
    leading: u64,
    /// What stands for them: one hash for each bit set in `leading`, the largest subtree first.
    subtrees: Vec<Node>,
    /// Parts done beyond the first gap.
    beyond: BTreeMap<u64, Node>,
}

impl Tree {
    /// Whether part `number`, counted from 0, is done.
    pub(super) fn has(&self, number: u64) -> bool {
        number < self.leading || self.beyond.contains_key(&number)
    }

    /// Part `number` is done.
    pub(super) fn add(&mut self, number: u64, part: ChainingValue) {
        if !self.has(number) {
            self.beyond.insert(number, Node(part));
        }
        while let Some(next) = self.beyond.remove(&self.leading) {
            self.push(next);
        }
    }

    fn push(&mut self, part: Node) {
        let mut subtree = part;
        let mut merges = self.leading;
        while merges & 1 == 1 {
            let left = self.subtrees.pop().expect("one hash for each bit set in `leading`");
            subtree = Node(merge_subtrees_non_root(&left.0, &subtree.0, Mode::Hash));
            merges >>= 1;
        }
        self.subtrees.push(subtree);
        self.leading += 1;
    }

    /// The hash of the whole, once all parts but the last, which may be shorter, are in; `last` stands for that one.
    fn closed(&self, last: ChainingValue) -> Option<Hash> {
        let (first, others) = self.subtrees.split_first()?;
        let merge = |right, left: &Node| merge_subtrees_non_root(&left.0, &right, Mode::Hash);
        let right = others.iter().rev().fold(last, merge);
        Some(merge_subtrees_root(&first.0, &right, Mode::Hash))
    }
}

/// A [`Tree`] over a known number of parts, at least two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Hashing {
    parts: u64,
    /// Of all parts but the last.
    tree: Tree,
    last: Option<Node>,
}

impl Hashing {
    pub(super) fn of(parts: u64) -> Self {
        Self { parts, tree: Tree::default(), last: None }
    }

    pub(super) fn has(&self, number: u64) -> bool {
        if number + 1 == self.parts { self.last.is_some() } else { self.tree.has(number) }
    }

    pub(super) fn add(&mut self, number: u64, part: ChainingValue) {
        if number + 1 == self.parts {
            self.last = Some(Node(part));
        } else {
            self.tree.add(number, part);
        }
    }

    /// The parts that are not done, in order.
    pub(super) fn missing(&self) -> Vec<u64> {
        (0..self.parts).filter(|number| !self.has(*number)).collect()
    }

    /// The hash of the whole, once every part is done.
    pub(super) fn root(&self) -> Option<Hash> {
        let last = self.last.filter(|_| self.tree.leading + 1 == self.parts)?;
        self.tree.closed(last.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::s3::hash_tree::*;

    const PART: usize = 2048;

    fn part(contents: &[u8], number: usize) -> ChainingValue {
        let bytes = &contents[number * PART..contents.len().min((number + 1) * PART)];
        part_hasher((number * PART) as u64).update(bytes).finalize_non_root()
    }

    proptest! {
        #[test]
        fn any_order_and_any_interruption_give_the_hash_of_the_whole(
            parts in 2usize..40, tail in 1usize..=PART, order in any::<u64>(), stop in 0usize..40,
        ) {
            let contents: Vec<u8> = (0..(parts - 1) * PART + tail).map(|n| (n % 251) as u8).collect();
            let mut numbers: Vec<usize> = (0..parts).collect();
            numbers.sort_by_key(|n| blake3::hash(&(order ^ *n as u64).to_le_bytes()).as_bytes()[0]);
            let mut hashing = Hashing::of(parts as u64);
            for (done, number) in numbers.into_iter().enumerate() {
                prop_assert_eq!(hashing.root(), None);
                if done == stop {
                    let stored = serde_json::to_string(&hashing).expect("plain data");
                    hashing = serde_json::from_str(&stored).expect("plain data");
                }
                prop_assert!(!hashing.has(number as u64));
                hashing.add(number as u64, part(&contents, number));
                prop_assert!(hashing.has(number as u64));
                prop_assert_eq!(hashing.missing().len(), parts - done - 1);
            }
            prop_assert_eq!(hashing.root(), Some(blake3::hash(&contents)));
        }
    }

    #[test]
    fn what_is_kept_of_many_parts_is_little() {
        let mut hashing = Hashing::of(10_000);
        for number in 0..9_999 {
            hashing.add(number, [7; 32]);
        }
        assert!(hashing.tree.subtrees.len() <= 14);
        assert!(serde_json::to_string(&hashing).expect("plain data").len() < 4_000);
        assert_eq!(hashing.missing(), [9_999]);
    }
}
