//! An order-free digest of a multiset, so that a few numbers compare a whole tenant.
//!
//! Each element's canonical bytes are hashed with BLAKE3 and the 256-bit hashes are added lane by lane, wrapping. Addition
//! is commutative and associative, so parts and checkpointed passes merge exactly, and it counts: an element that occurs
//! twice differs from one that occurs once (with XOR it would vanish). It finds accidents, and is no proof against
//! somebody who chooses the data in order to collide.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const LANES: usize = 4;
const LANE_BYTES: usize = 8;

/// 256 bits over a multiset of canonical elements. `Default` is the empty multiset. Written as 64 hexadecimal digits.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Digest([u64; LANES]);

impl Digest {
    /// The digest of one element, given its canonical bytes.
    pub fn of(canonical: &[u8]) -> Self {
        Self::from_hash(&blake3::hash(canonical))
    }

    /// The digest of one element, given the hash of its canonical bytes.
    pub(crate) fn from_hash(hash: &blake3::Hash) -> Self {
        let mut lanes = [0; LANES];
        for (lane, bytes) in lanes.iter_mut().zip(hash.as_bytes().chunks_exact(LANE_BYTES)) {
            *lane = u64::from_le_bytes(bytes.try_into().expect("chunks_exact gives LANE_BYTES bytes"));
        }
        Self(lanes)
    }

    /// Some of its bits: a number that depends on all elements.
    pub(crate) fn lane(&self) -> u64 {
        self.0[0]
    }

    /// Adds one element, given its canonical bytes.
    pub fn add(&mut self, canonical: &[u8]) {
        self.merge(&Self::of(canonical));
    }

    /// Adds all elements of another multiset.
    pub fn merge(&mut self, other: &Self) {
        for (lane, more) in self.0.iter_mut().zip(other.0) {
            *lane = lane.wrapping_add(more);
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|lane| write!(f, "{lane:016x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

/// The text was not 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a digest is {} hexadecimal digits", LANES * LANE_BYTES * 2)]
pub struct NotADigest;

impl FromStr for Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        if text.len() != LANES * LANE_BYTES * 2 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(NotADigest);
        }
        let mut lanes = [0; LANES];
        for (n, lane) in lanes.iter_mut().enumerate() {
            let digits = &text[n * LANE_BYTES * 2..(n + 1) * LANE_BYTES * 2];
            *lane = u64::from_str_radix(digits, 16).map_err(|_| NotADigest)?;
        }
        Ok(Self(lanes))
    }
}

impl TryFrom<String> for Digest {
    type Error = NotADigest;

    fn try_from(text: String) -> Result<Self, NotADigest> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn over(elements: &[Vec<u8>]) -> Digest {
        let mut digest = Digest::default();
        elements.iter().for_each(|element| digest.add(element));
        digest
    }

    proptest! {
        #[test]
        fn order_does_not_matter(elements: Vec<Vec<u8>>, turn in 0usize..100) {
            let mut turned = elements.clone();
            turned.reverse();
            let by = turn % turned.len().max(1);
            turned.rotate_left(by);
            prop_assert_eq!(over(&elements), over(&turned));
        }

        #[test]
        fn an_element_more_or_less_differs(elements: Vec<Vec<u8>>, extra: Vec<u8>) {
            let mut more = elements.clone();
            more.push(extra.clone());
            let mut twice = more.clone();
            twice.push(extra);
            prop_assert_ne!(over(&elements), over(&more));
            prop_assert_ne!(over(&more), over(&twice));
            prop_assert_ne!(over(&elements), over(&twice));
        }

        #[test]
        fn merging_is_adding(left: Vec<Vec<u8>>, right: Vec<Vec<u8>>) {
            let mut merged = over(&left);
            merged.merge(&over(&right));
            let all: Vec<_> = left.into_iter().chain(right).collect();
            prop_assert_eq!(merged, over(&all));
        }

        #[test]
        fn text_and_json_read_back(elements: Vec<Vec<u8>>) {
            let digest = over(&elements);
            prop_assert_eq!(digest.to_string().parse(), Ok(digest));
            let json = serde_json::to_string(&digest).expect("plain data");
            prop_assert_eq!(&json, &format!("\"{digest}\""));
            prop_assert_eq!(serde_json::from_str::<Digest>(&json).expect("plain data"), digest);
        }
    }

    #[test]
    fn the_empty_digest_is_zeros_and_other_text_is_refused() {
        assert_eq!(Digest::default().to_string(), "0".repeat(64));
        assert_eq!("0".parse::<Digest>(), Err(NotADigest));
        assert_eq!("+".repeat(64).parse::<Digest>(), Err(NotADigest));
        assert_eq!("é".repeat(32).parse::<Digest>(), Err(NotADigest));
    }
}
