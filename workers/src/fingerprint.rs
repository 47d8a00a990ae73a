//! What a part of a tenant's data held, small enough to be kept until the location has been emptied, and without any key: a [`Mark`] for
//! each item, and where there are too many of them, sums of marks for each bucket of keys.
//!
//! Fingerprints are multisets: they add and subtract in any order, so that passes that were interrupted, and deletes that were made page
//! by page, come to the same. Folding marks into buckets keeps sums: what is equal before is equal after.

use std::collections::BTreeMap;
use std::fmt;

use aws_smithy_types::base64;

use crate::digest::Digest;

/// Marks that are kept one by one: at 8 bytes each, under 1 MiB.
pub const MOST_MARKS: u64 = 120_000;
/// Buckets of what has more: at 12 bytes each, 768 KiB.
const BUCKETS: usize = 1 << BUCKET_BITS;
const BUCKET_BITS: u32 = 16;
const MARK_BYTES: usize = 8;
const BUCKET_BYTES: usize = 12;
const OF_MARKS: u8 = b'm';
const OF_BUCKETS: u8 = b'b';
/// The bit of a mark that says so.
const EXPIRES: u64 = 1;

/// One item: 32 bits of the hash of its key, 31 of the hash of all of it, and whether it expires by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

impl Mark {
    /// Of an item, by its canonical key and its digest.
    pub(crate) fn of(key: &[u8], item: &Digest) -> Self {
        Self::new(key_hash(key), item.lane() >> 33 << 1)
    }

    /// The same of an item that expires by itself.
    #[must_use]
    pub(crate) fn expiring(self) -> Self {
        Self(self.0 | EXPIRES)
    }

    /// Whether the item expires by itself: nobody can tell, then, who deleted it.
    pub(crate) fn expires(self) -> bool {
        self.0 & EXPIRES != 0
    }

    /// Of an item of which nothing but the key is known.
    pub(crate) fn of_key(key: &[u8]) -> Self {
        Self::new(key_hash(key), 0)
    }

    fn new(key: u32, item: u64) -> Self {
        Self(u64::from(key) << 32 | item)
    }

    /// What stands for its key.
    pub(crate) fn key(self) -> u32 {
        u32::try_from(self.0 >> 32).expect("32 bits are left")
    }

    /// The bucket of its key.
    pub(crate) fn bucket(self) -> usize {
        self.key() as usize >> (u32::BITS - BUCKET_BITS)
    }
}

fn key_hash(key: &[u8]) -> u32 {
    let hash = blake3::hash(key);
    u32::from_le_bytes(hash.as_bytes()[..4].try_into().expect("a hash has 32 bytes"))
}

/// How many items share a bucket, and the sum of their marks. Both wrap, so that one can be taken from another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Bucket {
    pub(crate) count: u32,
    pub(crate) sum: u64,
}

impl Bucket {
    fn add(&mut self, other: Self) {
        self.count = self.count.wrapping_add(other.count);
        self.sum = self.sum.wrapping_add(other.sum);
    }

    pub(crate) fn minus(self, other: Self) -> Self {
        Self { count: self.count.wrapping_sub(other.count), sum: self.sum.wrapping_sub(other.sum) }
    }
}

/// Of an item that expires nothing: a sum must not change by itself.
impl From<Mark> for Bucket {
    fn from(mark: Mark) -> Self {
        if mark.expires() { Self::default() } else { Self { count: 1, sum: mark.0 } }
    }
}

/// A multiset of items. `Default` is the empty one.
#[derive(Clone, PartialEq, Eq)]
pub struct Fingerprint(Form);

#[derive(Clone, PartialEq, Eq)]
enum Form {
    /// How often each mark occurs.
    Marks(BTreeMap<u64, u32>, u64),
    Buckets(Vec<Bucket>),
}

impl Default for Fingerprint {
    fn default() -> Self {
        Self(Form::Marks(BTreeMap::new(), 0))
    }
}

impl FromIterator<Mark> for Fingerprint {
    fn from_iter<I: IntoIterator<Item = Mark>>(marks: I) -> Self {
        let mut all = Self::default();
        marks.into_iter().for_each(|mark| all.add(mark));
        all
    }
}

impl Fingerprint {
    /// Adds an item.
    pub fn add(&mut self, mark: Mark) {
        match &mut self.0 {
            Form::Marks(marks, count) => {
                *marks.entry(mark.0).or_default() += 1;
                *count += 1;
            }
            Form::Buckets(buckets) => buckets[mark.bucket()].add(mark.into()),
        }
    }

    /// Adds everything in `other`.
    pub fn merge(&mut self, other: &Self) {
        match &other.0 {
            Form::Marks(marks, _) => {
                for (mark, times) in marks {
                    (0..*times).for_each(|_| self.add(Mark(*mark)));
                }
            }
            Form::Buckets(more) => {
                self.0 = Form::Buckets(self.buckets());
                let Form::Buckets(buckets) = &mut self.0 else { return };
                buckets.iter_mut().zip(more).for_each(|(bucket, more)| bucket.add(*more));
            }
        }
    }

    /// Takes everything in `other` away: of marks as far as they are there; of sums, of which it must be part, all.
    pub fn take(&mut self, other: &Self) {
        if let (Form::Marks(marks, count), Form::Marks(less, _)) = (&mut self.0, &other.0) {
            for (mark, times) in less {
                let Some(had) = marks.get_mut(mark) else { continue };
                let taken = (*had).min(*times);
                *had -= taken;
                *count -= u64::from(taken);
            }
            marks.retain(|_, times| *times > 0);
            return;
        }
        let less = other.buckets();
        self.0 = Form::Buckets(self.buckets().iter().zip(less).map(|(all, some)| all.minus(some)).collect());
    }

    /// Takes one item away: this one, or else one with this key, for of some nothing else is known. Never more than one, since among many
    /// items two keys may have the same hash. Sums keep all: which items make them up they don't know.
    pub fn forget(&mut self, mark: Mark) {
        let Form::Marks(marks, count) = &mut self.0 else { return };
        let first = u64::from(mark.key()) << 32;
        let with_key = || marks.range(first..=first | u64::from(u32::MAX)).next().map(|(mark, _)| *mark);
        let found = if marks.contains_key(&mark.0) { Some(mark.0) } else { with_key() };
        let Some((found, times)) = found.and_then(|found| Some((found, marks.get_mut(&found)?))) else { return };
        *times -= 1;
        *count -= 1;
        if *times == 0 {
            marks.remove(&found);
        }
    }

    /// The same of everything in `other`.
    pub fn forget_all(&mut self, other: &Self) {
        let Form::Marks(marks, _) = &other.0 else { return };
        for (mark, times) in marks {
            (0..*times).for_each(|_| self.forget(Mark(*mark)));
        }
    }

    /// The same in a form that is small however much there is: as it is up to `most` items, and in buckets beyond.
    #[must_use]
    pub fn within(self, most: u64) -> Self {
        match &self.0 {
            Form::Marks(_, count) if *count > most => Self(Form::Buckets(self.buckets())),
            _ => self,
        }
    }

    /// The marks, each once; `None` of what is kept in buckets.
    pub(crate) fn marks(&self) -> Option<impl Iterator<Item = Mark> + '_> {
        match &self.0 {
            Form::Marks(marks, _) => Some(marks.keys().map(|mark| Mark(*mark))),
            Form::Buckets(_) => None,
        }
    }

    /// Whether an item like this is in it, whether or not it expires. For what is kept in buckets: whether it may be.
    pub(crate) fn has(&self, mark: Mark) -> bool {
        match &self.0 {
            Form::Marks(marks, _) => [mark.0 & !EXPIRES, mark.0 | EXPIRES].iter().any(|mark| marks.contains_key(mark)),
            Form::Buckets(buckets) => mark.expires() || buckets[mark.bucket()] != Bucket::default(),
        }
    }

    /// Whether an item with this key is in it, whatever its contents. For what is kept in buckets: whether one may be.
    pub(crate) fn has_key(&self, mark: Mark) -> bool {
        let first = u64::from(mark.key()) << 32;
        match &self.0 {
            Form::Marks(marks, _) => marks.range(first..=first | u64::from(u32::MAX)).next().is_some(),
            Form::Buckets(_) => self.has(mark),
        }
    }

    /// The buckets, whatever form it is in.
    pub(crate) fn buckets(&self) -> Vec<Bucket> {
        match &self.0 {
            Form::Buckets(buckets) => buckets.clone(),
            Form::Marks(marks, _) => {
                let mut buckets = vec![Bucket::default(); BUCKETS];
                for (mark, times) in marks {
                    (0..*times).for_each(|_| buckets[Mark(*mark).bucket()].add(Mark(*mark).into()));
                }
                buckets
            }
        }
    }

    /// The stored form.
    pub fn to_text(&self) -> String {
        let mut bytes = Vec::new();
        match &self.0 {
            Form::Marks(marks, _) => {
                bytes.push(OF_MARKS);
                for (mark, times) in marks {
                    (0..*times).for_each(|_| bytes.extend_from_slice(&mark.to_le_bytes()));
                }
            }
            Form::Buckets(buckets) => {
                bytes.push(OF_BUCKETS);
                for bucket in buckets {
                    bytes.extend_from_slice(&bucket.count.to_le_bytes());
                    bytes.extend_from_slice(&bucket.sum.to_le_bytes());
                }
            }
        }
        base64::encode(bytes)
    }

    /// Reads what [`Self::to_text`] wrote; `None` of anything else.
    pub fn from_text(text: &str) -> Option<Self> {
        let bytes = base64::decode(text).ok()?;
        let (kind, bytes) = bytes.split_first()?;
        match *kind {
            OF_MARKS if bytes.len() % MARK_BYTES == 0 => {
                let marks =
                    bytes.chunks_exact(MARK_BYTES).map(|mark| Some(Mark(u64::from_le_bytes(mark.try_into().ok()?))));
                marks.collect()
            }
            OF_BUCKETS if bytes.len() == BUCKETS * BUCKET_BYTES => {
                let bucket = |bytes: &[u8]| {
                    let (count, sum) = bytes.split_at(size_of::<u32>());
                    let (count, sum) = (count.try_into().ok()?, sum.try_into().ok()?);
                    Some(Bucket { count: u32::from_le_bytes(count), sum: u64::from_le_bytes(sum) })
                };
                let buckets = bytes.chunks_exact(BUCKET_BYTES).map(bucket).collect::<Option<_>>()?;
                Some(Self(Form::Buckets(buckets)))
            }
            _ => None,
        }
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Marks(_, count) => write!(f, "Fingerprint({count} marks)"),
            Form::Buckets(_) => write!(f, "Fingerprint({BUCKETS} buckets)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(elements: &[u64]) -> Fingerprint {
        elements.iter().map(|mark| Mark(*mark)).collect()
    }

    fn sum(left: &Fingerprint, right: &Fingerprint) -> Fingerprint {
        let mut all = left.clone();
        all.merge(right);
        all
    }

    fn folded(of: &Fingerprint) -> Fingerprint {
        Fingerprint(Form::Buckets(of.buckets()))
    }

    /// Few enough keys that they meet; some expire.
    fn marks() -> impl Strategy<Value = Vec<u64>> {
        prop::collection::vec((0u64..6, 0u64..6).prop_map(|(key, item)| key << 45 | item), 0..40)
    }

    proptest! {
        #[test]
        fn order_does_not_matter_and_parts_add_up(left in marks(), right in marks()) {
            let together: Vec<_> = right.iter().rev().chain(left.iter().rev()).copied().collect();
            prop_assert_eq!(sum(&of(&left), &of(&right)), of(&together));
        }

        #[test]
        fn folding_keeps_sums(left in marks(), right in marks()) {
            let whole = folded(&sum(&of(&left), &of(&right)));
            prop_assert_eq!(&sum(&folded(&of(&left)), &folded(&of(&right))), &whole);
            prop_assert_eq!(&sum(&of(&left), &folded(&of(&right))), &whole);
            prop_assert_eq!(&sum(&folded(&of(&left)), &of(&right)), &whole);
        }

        #[test]
        fn what_is_added_can_be_taken_away(left in marks(), right in marks()) {
            let whole = sum(&of(&left), &of(&right)).buckets();
            let minus: Vec<_> = whole.iter().zip(of(&right).buckets()).map(|(all, some)| all.minus(some)).collect();
            prop_assert_eq!(minus, of(&left).buckets());
        }

        #[test]
        fn what_is_taken_is_gone_in_every_form(left in marks(), right in marks()) {
            let whole = sum(&of(&left), &of(&right));
            for (mut whole, part) in [(whole.clone(), of(&right)), (folded(&whole), of(&right)), (whole, folded(&of(&right)))] {
                whole.take(&part);
                prop_assert_eq!(whole.buckets(), of(&left).buckets());
            }
        }

        #[test]
        fn sums_know_nothing_of_what_expires(some in marks()) {
            let lasting: Vec<_> = some.iter().copied().filter(|mark| !Mark(*mark).expires()).collect();
            prop_assert_eq!(folded(&of(&some)), folded(&of(&lasting)));
        }

        #[test]
        fn it_holds_what_was_added_and_nothing_else(some in marks(), other in 0u64..6, item in 0u64..6) {
            let (mark, all) = (Mark(other << 45 | item), of(&some));
            prop_assert_eq!(all.has(mark), some.iter().any(|of| of >> 1 == mark.0 >> 1));
            prop_assert_eq!(all.has_key(mark), some.iter().any(|of| of >> 32 == mark.0 >> 32));
            prop_assert!(!some.contains(&mark.0) || folded(&all).has(mark), "folding hides nothing");
        }

        /// Among many items two keys have the same hash: whoever forgets one by its key must not forget the other.
        #[test]
        fn as_many_items_are_forgotten_as_are_named(some in marks(), other in 0u64..6) {
            let key = Mark(other << 45);
            let with_key = |of: &[u64]| of.iter().filter(|mark| Mark(**mark).key() == key.key()).count();
            let (mut all, mut left) = (of(&some), with_key(&some));
            while left > 0 {
                prop_assert!(all.has_key(key));
                all.forget(key);
                left -= 1;
            }
            prop_assert!(!all.has_key(key));
            let mut exactly = of(&some);
            exactly.forget_all(&of(&some[..some.len() / 2]));
            prop_assert_eq!(exactly, of(&some[some.len() / 2..]));
        }

        #[test]
        fn text_reads_back(some in marks()) {
            for form in [of(&some), folded(&of(&some))] {
                prop_assert_eq!(Fingerprint::from_text(&form.to_text()), Some(form));
            }
        }
    }

    #[test]
    fn no_part_takes_more_than_a_mebibyte() {
        let many: Fingerprint = (0..=MOST_MARKS).map(|n| Mark(n << 40 | n)).collect();
        assert!(many.marks().is_some() && many.clone().within(MOST_MARKS).marks().is_none());
        let few: Fingerprint = (0..MOST_MARKS).map(|n| Mark(n << 40 | n)).collect();
        for form in [few.within(MOST_MARKS), many.within(MOST_MARKS)] {
            assert!(form.to_text().len() / 4 * 3 <= 1 << 20, "{form:?}");
        }
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "x", "AAAA", "bQAA", "Yg=="] {
            assert_eq!(Fingerprint::from_text(text), None, "{text}");
        }
        assert_eq!(Fingerprint::from_text(&Fingerprint::default().to_text()), Some(Fingerprint::default()));
    }

    #[test]
    fn a_mark_tells_keys_and_contents_apart() {
        let mark = |key: &str, item: &str| Mark::of(key.as_bytes(), &Digest::of(item.as_bytes()));
        assert_eq!(mark("a", "1"), mark("a", "1"));
        assert_eq!((mark("a", "1").key(), mark("a", "1").bucket()), (mark("a", "2").key(), mark("a", "2").bucket()));
        assert_ne!(mark("a", "1"), mark("a", "2"));
        assert_ne!(mark("a", "1").key(), mark("b", "1").key());
        assert_eq!(Mark::of_key(b"a").key(), mark("a", "1").key());
    }
}
