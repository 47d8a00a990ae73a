//! Which of the objects under a prefix belong to a part. The division is by a hash of the key, so that it needs no look at the keys
//! beforehand, an object that appears late has its part as well, and keys that sort together spread.

/// Part `number` of `of` parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) number: u32,
    pub(crate) of: u32,
}

impl Share {
    /// All of it.
    pub(crate) const WHOLE: Self = Self { number: 0, of: 1 };

    /// Whether the key, relative to the prefix, belongs to this part. Parts are stored with the tallies of what was in them: where a
    /// key belongs never changes.
    pub(super) fn holds(self, relative: &str) -> bool {
        if self.of <= 1 {
            return true;
        }
        let hash = blake3::hash(relative.as_bytes());
        let first = hash.as_bytes().first_chunk().expect("a hash has 32 bytes");
        u64::from_le_bytes(*first) % u64::from(self.of) == u64::from(self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_one_part_and_the_parts_are_about_equal() {
        let mut counts = [0; 7];
        for n in 0..7_000 {
            let key = format!("media/{n:08}.bin");
            let holders: Vec<u32> = (0..7).filter(|number| Share { number: *number, of: 7 }.holds(&key)).collect();
            assert_eq!(holders.len(), 1);
            counts[holders[0] as usize] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
        assert!(Share { number: 0, of: 1 }.holds("anything"));
    }

    #[test]
    fn where_a_key_belongs_is_stored_and_does_not_change() {
        let part = |key: &str| (0..16).find(|number| Share { number: *number, of: 16 }.holds(key));
        assert_eq!([part(""), part("a"), part("media/ü.bin")], [Some(15), Some(7), Some(11)]);
    }
}
