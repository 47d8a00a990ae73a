//! What was written to a location after a move had left it: found by comparing fingerprints with what was verified, less what the removal
//! itself has deleted. Which items are worth a look is decided here; the looking is in `movers/compare_before_removal.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::WorkError;
use crate::fingerprint::{Bucket, Fingerprint, MOST_MARKS, Mark};
use crate::progress::{Checkpoints, Tally};

pub use crate::difference::{Difference, Late};

/// The code of a removal that would delete what was written late.
pub const LATE_WRITES: &str = "late_writes";

/// How many deletes of unknown outcome in one bucket are tried in all combinations.
const MOST_PENDING: usize = 8;
/// Hexadecimal digits of a hash.
const HASH_DIGITS: usize = 16;
/// Differences that are kept by one transaction.
const KEPT_AT_ONCE: usize = 500;

/// How much was written late, and the digest of exactly what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LateWrites {
    /// Items that were not there.
    pub added: u64,
    /// Items that had other contents.
    pub changed: u64,
    /// Items that are gone.
    pub deleted: u64,
    /// How many of all these may not have been written late.
    #[serde(default)]
    pub uncertain: u64,
    /// How many of those that were added stand under index values that no part has.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub strays: u64,
    /// Over everything that differs: its part, whether it is gone, its key and contents.
    pub digest: Digest,
}

impl LateWrites {
    /// Counts a difference in a part.
    pub(crate) fn add(&mut self, part: u32, difference: &Difference) {
        *match difference.kind {
            Late::Added => &mut self.added,
            Late::Changed => &mut self.changed,
            Late::Deleted => &mut self.deleted,
        } += 1;
        self.uncertain += u64::from(!difference.certain);
        self.strays += u64::from(difference.stray);
        let Difference { kind, key, contents, .. } = difference;
        // Whether a key was added or changed depends on what the comparison knows. JSON of an array is injective, and its maps are sorted.
        let gone = *kind == Late::Deleted;
        self.digest.add(serde_json::json!([part, gone, key, contents]).to_string().as_bytes());
    }

    /// A service that counts and names nothing has other data than was verified.
    pub(crate) fn of_counts(verified: &Tally, seen: &Tally) -> Self {
        let (before, now) = (verified.items, seen.items);
        let changed = u64::from(before == now);
        let digest = Digest::of(serde_json::json!(["counts", seen]).to_string().as_bytes());
        let (added, deleted) = (now.saturating_sub(before), before.saturating_sub(now));
        Self { added, changed, deleted, digest, ..Self::default() }
    }

    /// Adds everything that `other` counted.
    pub fn merge(&mut self, other: &Self) {
        self.added += other.added;
        self.changed += other.changed;
        self.deleted += other.deleted;
        self.uncertain += other.uncertain;
        self.strays += other.strays;
        self.digest.merge(&other.digest);
    }

    /// How many differences there are.
    pub fn total(&self) -> u64 {
        self.added + self.changed + self.deleted
    }

    /// Stands for exactly these differences: whoever accepts them says it.
    pub fn hash(&self) -> String {
        format!("{:016x}", self.digest.lane())
    }

    /// Whether a text has the form of a hash.
    pub fn is_hash(text: &str) -> bool {
        text.len() == HASH_DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What a comparison of one part has found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    /// What is there.
    #[serde(flatten)]
    pub seen: Tally,
    /// What of it was written late.
    #[serde(default)]
    pub late: LateWrites,
}

/// What is known of a part of a location that is about to be emptied.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// What was verified there.
    pub tally: Tally,
    /// The items of that, but for those that were found to be late; `None` when an older version verified it, and kept the tally alone.
    pub items: Option<Fingerprint>,
    /// What the removal has deleted since.
    pub deleted: Fingerprint,
    /// What it was about to delete when it was interrupted: that may be there or not.
    pub doomed: Fingerprint,
    /// Set where a move left the location without having read it: then only what the live copy lacks is late, for other contents there
    /// are newer; and only if it is still lacking at a second look, so long after the first.
    pub unread: Option<Duration>,
    /// Whether the removal has begun to delete. Of a service that names nothing only more than was verified is late then.
    pub begun: bool,
}

impl From<Tally> for Known {
    fn from(tally: Tally) -> Self {
        Self { tally, ..Self::default() }
    }
}

/// Which items are worth a look.
#[derive(Debug)]
pub(crate) enum Suspects {
    /// Everything that is there, if anything differs: nothing but the tally is known.
    All,
    /// What the live copy lacks, if anything is there that was not there before: nobody has read the location.
    Lacking { any_new: bool },
    /// Items are known one by one.
    Items {
        verified: Fingerprint,
        /// Whether anything is there that was not verified.
        any_new: bool,
        /// Keys that are gone.
        gone: BTreeSet<u32>,
    },
    /// Sums are known: these buckets' are not what they should be, and hold fewer items than they should or not.
    Buckets(BTreeMap<usize, bool>),
}

impl Suspects {
    /// Compares what is known with what has been seen.
    pub(crate) fn of(known: &Known, tally: &Tally, seen: &Fingerprint) -> Self {
        if known.unread.is_some() {
            return Self::Lacking { any_new: known.tally != *tally };
        }
        let Some(verified) = &known.items else {
            let same = known.tally == *tally;
            return if same { Self::Buckets(BTreeMap::new()) } else { Self::All };
        };
        let (Some(was), Some(is)) = (verified.marks(), seen.marks()) else {
            return Self::Buckets(differing(known, verified, seen));
        };
        let ours = |mark: Mark| known.deleted.has_key(mark) || known.doomed.has_key(mark);
        // Nobody can tell who has deleted what expires.
        let is_gone = |mark: &Mark| !mark.expires() && !seen.has_key(*mark) && !ours(*mark);
        let gone = was.filter(is_gone).map(Mark::key).collect();
        let any_new = is.into_iter().any(|mark| !verified.has(mark));
        Self::Items { verified: verified.clone(), any_new, gone }
    }

    /// Whether something at the location may have been written late; `expires`: items expire there, and there is a live copy. They are
    /// in no tally and no sum, so that whether one was written late shows only key by key.
    pub(crate) fn any_here(&self, expires: bool) -> bool {
        match self {
            Self::All => true,
            Self::Items { any_new, .. } => *any_new,
            Self::Lacking { any_new } => *any_new || expires,
            Self::Buckets(buckets) => !buckets.is_empty() || expires,
        }
    }

    /// Whether this item at the location may have been.
    pub(crate) fn is_suspect(&self, mark: Mark) -> bool {
        match self {
            Self::All => true,
            Self::Lacking { any_new } => *any_new || mark.expires(),
            Self::Items { verified, .. } => !verified.has(mark),
            Self::Buckets(buckets) => mark.expires() || buckets.contains_key(&mark.bucket()),
        }
    }

    /// Whether an item at the location with this key may have been, as far as can be told without reading it.
    pub(crate) fn may_be_suspect(&self, key: Mark) -> bool {
        match self {
            Self::All | Self::Items { .. } => true,
            Self::Lacking { .. } | Self::Buckets(_) => self.is_suspect(key),
        }
    }

    /// Whether anything may be gone.
    pub(crate) fn any_gone(&self) -> bool {
        match self {
            Self::All | Self::Lacking { .. } => false,
            Self::Items { gone, .. } => !gone.is_empty(),
            Self::Buckets(buckets) => buckets.values().any(|fewer| *fewer),
        }
    }

    /// Whether this item of the live copy may be gone from the location.
    pub(crate) fn may_be_gone(&self, mark: Mark) -> bool {
        match self {
            Self::All | Self::Lacking { .. } => false,
            Self::Items { gone, .. } => gone.contains(&mark.key()),
            Self::Buckets(buckets) => buckets.get(&mark.bucket()).is_some_and(|fewer| *fewer),
        }
    }

    /// Whether what is `here` would be lost, with what the live copy has under the same key.
    pub(crate) fn differs<T: PartialEq>(&self, here: &T, live: Option<&T>) -> bool {
        match self {
            Self::Lacking { .. } => live.is_none(),
            _ => live != Some(here),
        }
    }

    /// Whether the look has met everything that was `seen` and suspect: an index may list something at one time and not at the next, and
    /// what nobody has looked at must not pass for something that was shown.
    pub(crate) fn all_met(&self, seen: &Fingerprint, met: &Fingerprint) -> bool {
        match (self, seen.marks()) {
            (Self::Buckets(suspect), _) => {
                let (seen, met) = (seen.buckets(), met.buckets());
                suspect.keys().all(|bucket| seen[*bucket] == met[*bucket])
            }
            (_, Some(mut seen)) => seen.all(|mark| !self.is_suspect(mark) || met.has(mark)),
            (Self::Lacking { any_new: false }, None) => true,
            (_, None) => seen.buckets() == met.buckets(),
        }
    }

    /// How an item at the location was written late, whose key the live copy has or has not.
    pub(crate) fn how(&self, mark: Mark, is_live: bool) -> Late {
        let known = match self {
            Self::Items { verified, .. } => verified.has_key(mark),
            _ => is_live,
        };
        if known { Late::Changed } else { Late::Added }
    }

    /// Whether what differs from the live copy was written late for certain, and is not something that was rightly edited there.
    pub(crate) fn certain(&self) -> bool {
        matches!(self, Self::Items { .. } | Self::Lacking { .. })
    }
}

/// The buckets in which what is there is not what was verified less what was deleted, whatever has become of what was about to be.
fn differing(known: &Known, verified: &Fingerprint, seen: &Fingerprint) -> BTreeMap<usize, bool> {
    let (was, is, deleted) = (verified.buckets(), seen.buckets(), known.deleted.buckets());
    let mut doomed = vec![Vec::new(); was.len()];
    for mark in known.doomed.marks().into_iter().flatten().filter(|mark| !mark.expires()) {
        doomed[mark.bucket()].push(Bucket::from(mark));
    }
    let mut found = BTreeMap::new();
    for bucket in 0..was.len() {
        let missing = was[bucket].minus(deleted[bucket]).minus(is[bucket]);
        if !is_sum_of_some(missing, &doomed[bucket]) {
            found.insert(bucket, missing.count.cast_signed() > 0);
        }
    }
    found
}

fn is_sum_of_some(sum: Bucket, of: &[Bucket]) -> bool {
    if sum == Bucket::default() {
        return true;
    }
    let of = &of[..of.len().min(MOST_PENDING)];
    let Some((first, rest)) = of.split_first() else { return false };
    is_sum_of_some(sum, rest) || is_sum_of_some(sum.minus(*first), rest)
}

/// Differences on their way to where they are kept.
pub(crate) struct Found<'a> {
    checkpoints: &'a dyn Checkpoints,
    part: u32,
    late: LateWrites,
    /// What of the suspects was there.
    met: Fingerprint,
    kept_any: bool,
    waiting: Vec<Difference>,
}

impl<'a> Found<'a> {
    /// Of one part; nothing has been found yet.
    pub(crate) fn in_part(part: u32, checkpoints: &'a dyn Checkpoints) -> Self {
        let (late, met) = (LateWrites::default(), Fingerprint::default());
        Self { checkpoints, part, late, met, kept_any: false, waiting: Vec::new() }
    }

    /// A suspect is there, late or not.
    pub(crate) fn meet(&mut self, mark: Mark) {
        self.met.add(mark);
        self.met = std::mem::take(&mut self.met).within(MOST_MARKS);
    }

    /// What of the suspects was there.
    pub(crate) fn met(&self) -> &Fingerprint {
        &self.met
    }

    /// Counts a difference, and keeps it with the next ones.
    pub(crate) async fn add(&mut self, difference: Difference) -> Result<(), WorkError> {
        self.late.add(self.part, &difference);
        self.waiting.push(difference);
        if self.waiting.len() < KEPT_AT_ONCE { Ok(()) } else { self.keep().await }
    }

    /// All have been found.
    pub(crate) async fn finish(mut self) -> Result<LateWrites, WorkError> {
        self.keep().await?;
        Ok(self.late)
    }

    async fn keep(&mut self) -> Result<(), WorkError> {
        self.checkpoints.found(!self.kept_any, &self.waiting).await?;
        self.kept_any = true;
        self.waiting.clear();
        Ok(())
    }
}
