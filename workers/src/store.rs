//! An opened place with the part of it that is worked on: tells the two kinds of stores apart so that nobody else must.

use crate::checkpointed_pass::Run;
use crate::dropped_replica::Looks;
use crate::dynamodb::{self, Part, Table};
use crate::error::WorkError;
use crate::heartbeat::Heartbeat;
use crate::late_writes::{Found, Suspects};
use crate::ledger_permit::Permits;
use crate::mismatch::{MOST_NAMED, Mismatch};
use crate::part::PartAt;
use crate::progress::Tally;
use crate::s3::{self, Bucket};
use crate::verification::Verification;

/// What a look at a sample finds.
pub(crate) struct Sample {
    /// Items that the target's index lists.
    pub(crate) items: u64,
    /// Items compared.
    pub(crate) compared: u64,
    /// Some of the differences.
    pub(crate) found: Vec<Mismatch>,
}

/// The futures of whole passes are large, so they live on the heap.
pub(crate) enum Store {
    Table(Box<Table>, Part),
    Bucket(Box<Bucket>),
}

impl Store {
    /// Whether data can be copied from `self` to `to` as it is.
    pub(crate) fn check_same_shape(&self, to: &Self) -> Result<(), WorkError> {
        match (self, to) {
            (Self::Table(from, _), Self::Table(to, _)) => from.check_same_shape(to),
            (Self::Bucket(_), Self::Bucket(_)) => Ok(()),
            _ => Err(different_kinds()),
        }
    }

    /// Whether an index says what there is, which may be behind; else the store itself does.
    pub(crate) fn is_listed_by_an_index(&self) -> bool {
        matches!(self, Self::Table(..))
    }

    pub(crate) async fn copy_pass(
        &self,
        to: &Self,
        key_prefix: Option<&str>,
        permits: &Permits<'_>,
        run: &mut Run<'_>,
    ) -> Result<(), WorkError> {
        match (self, to) {
            (Self::Table(from, part), Self::Table(to, _)) => {
                Box::pin(dynamodb::copy_pass(from, to, part, key_prefix, permits, run)).await
            }
            (Self::Bucket(from), Self::Bucket(to)) => Box::pin(s3::copy_pass(from, to, permits, run)).await,
            _ => Err(different_kinds()),
        }
    }

    pub(crate) async fn digest_pass(&self, run: &mut Run<'_>) -> Result<(), WorkError> {
        match self {
            Self::Table(at, part) => Box::pin(dynamodb::digest_pass(at, part, run)).await,
            Self::Bucket(at) => Box::pin(s3::digest_pass(at, run)).await,
        }
    }

    /// Looks whether the source still is as the pass before found it, as closely as `verification` asks; the tally of that if
    /// so. Objects are read whole in every mode.
    pub(crate) async fn settled(
        &self,
        to: &Self,
        verification: Verification,
        run: &mut Run<'_>,
    ) -> Result<Option<Tally>, WorkError> {
        match (self, to) {
            // Keys do not say which of them expire, and whether one has gone by itself.
            (Self::Table(at, part), _) if !verification.is_full() && at.expires_by().is_none() => {
                Box::pin(dynamodb::keys_pass(at, part, run)).await?;
                if run.previous_listed() != Some(run.listed()) {
                    return Ok(None);
                }
                run.count_as_before();
                Ok(Some(run.tally()))
            }
            (Self::Table(at, part), Self::Table(to, _)) => {
                Box::pin(dynamodb::look_pass(at, to, part, run)).await?;
                Ok(run.previous().filter(|copied| *copied == run.tally()))
            }
            _ => {
                self.digest_pass(run).await?;
                Ok(run.previous().filter(|copied| *copied == run.tally()))
            }
        }
    }

    pub(crate) async fn remove(&self, permits: &Permits<'_>, run: &mut Run<'_>) -> Result<Tally, WorkError> {
        match self {
            Self::Table(at, part) => Box::pin(dynamodb::remove(at, part, permits, run)).await,
            Self::Bucket(at) => Box::pin(s3::remove(at, permits, run)).await,
        }
    }

    /// Whether `at` has as many items of the part as are `expected`, by its index, and how a sample of them compares with
    /// `self`. `None`: there is nothing to take a sample of, or the index counts items that expire as well, and all has to be read.
    pub(crate) async fn sample(
        &self,
        at: &Self,
        expected: &Tally,
        heartbeat: &Heartbeat<'_>,
    ) -> Result<Option<Sample>, WorkError> {
        let (Self::Table(source, part), Self::Table(at, _)) = (self, at) else { return Ok(None) };
        if at.expires_by().is_some() {
            return Ok(None);
        }
        let items = Box::pin(dynamodb::count(at, part, heartbeat)).await?;
        if items != expected.items {
            return Ok(Some(Sample { items, compared: 0, found: Vec::new() }));
        }
        let sample = Box::pin(dynamodb::differing_sample(source, at, part, expected, MOST_NAMED, heartbeat)).await?;
        Ok(Some(Sample { items, compared: sample.0, found: sample.1 }))
    }

    /// Some of the keys of items that expire, and so are in no tally, which `at` lacks or has with other contents.
    pub(crate) async fn lacking_keys(&self, at: &Self, heartbeat: &Heartbeat<'_>) -> Result<Vec<Mismatch>, WorkError> {
        match (self, at) {
            (Self::Table(source, part), Self::Table(at, _)) if source.expires_by().is_some() => {
                Box::pin(dynamodb::lacking_keys(source, at, part, MOST_NAMED, heartbeat)).await
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Some of the keys in which `at` differs from `self`.
    pub(crate) async fn differing_keys(
        &self,
        at: &Self,
        heartbeat: &Heartbeat<'_>,
    ) -> Result<Vec<Mismatch>, WorkError> {
        match (self, at) {
            (Self::Table(source, part), Self::Table(at, _)) => {
                Box::pin(dynamodb::differing_keys(source, at, part, MOST_NAMED, heartbeat)).await
            }
            (Self::Bucket(source), Self::Bucket(at)) => {
                Box::pin(s3::differing_keys(source, at, MOST_NAMED, heartbeat)).await
            }
            _ => Err(different_kinds()),
        }
    }
}

impl Store {
    /// Finds what of the suspects here was written late. What `live` has as well, or lacks as well, is no difference.
    pub(crate) async fn late_writes(
        &self,
        live: Option<&Self>,
        suspects: &Suspects,
        found: &mut Found<'_>,
        heartbeat: &Heartbeat<'_>,
    ) -> Result<(), WorkError> {
        match (self, live) {
            (Self::Table(at, part), None) => {
                Box::pin(dynamodb::late_writes(at, None, part, suspects, found, heartbeat)).await
            }
            (Self::Table(at, part), Some(Self::Table(live, _))) => {
                Box::pin(dynamodb::late_writes(at, Some(live), part, suspects, found, heartbeat)).await
            }
            (Self::Bucket(at), None) => Box::pin(s3::late_writes(at, None, suspects, found, heartbeat)).await,
            (Self::Bucket(at), Some(Self::Bucket(live))) => {
                Box::pin(s3::late_writes(at, Some(live), suspects, found, heartbeat)).await
            }
            _ => Err(different_kinds()),
        }
    }

    /// Finds, once a table, what stands under index values that none of its parts has.
    pub(crate) async fn stray_writes(
        &self,
        at: PartAt<'_>,
        found: &mut Found<'_>,
        heartbeat: &Heartbeat<'_>,
    ) -> Result<(), WorkError> {
        match self {
            Self::Table(table, _) if at.part == 0 => {
                Box::pin(dynamodb::stray_writes(table, at.tenant, at.place.parts(), found, heartbeat)).await
            }
            _ => Ok(()),
        }
    }

    /// Makes sure that what was read is all there is: the index of a table still is what it was.
    pub(crate) async fn check_still_complete(&self) -> Result<(), WorkError> {
        match self {
            Self::Table(at, _) => Box::pin(at.check_still_complete()).await,
            Self::Bucket(_) => Ok(()),
        }
    }

    /// Whether items expire here, and so are in no tally.
    pub(crate) fn expires(&self) -> bool {
        matches!(self, Self::Table(at, _) if at.expires_by().is_some())
    }

    /// Makes sure, once a table, that the tenant has no items there that are in none of its `parts`.
    pub(crate) async fn check_values(&self, at: PartAt<'_>, heartbeat: &Heartbeat<'_>) -> Result<(), WorkError> {
        match self {
            Self::Table(table, _) if at.part == 0 => {
                Box::pin(dynamodb::check_values(table, at.tenant, at.place.parts(), heartbeat)).await
            }
            _ => Ok(()),
        }
    }

    /// What is here and not at `kept`, as `looks` says and at two looks; `run` counts what was compared.
    pub(crate) async fn lasting_differences(
        &self,
        kept: &Self,
        looks: Looks,
        run: &mut Run<'_>,
    ) -> Result<Vec<Mismatch>, WorkError> {
        match (self, kept) {
            (Self::Table(at, part), Self::Table(kept, _)) => {
                Box::pin(dynamodb::lasting_differences(at, kept, part, looks, run)).await
            }
            (Self::Bucket(at), Self::Bucket(kept)) => Box::pin(s3::lasting_differences(at, kept, looks, run)).await,
            _ => Err(different_kinds()),
        }
    }

    /// Where the store itself replicates to.
    pub(crate) async fn replicates_to(&self) -> Result<Vec<String>, WorkError> {
        match self {
            Self::Table(at, _) => Ok(at.replicates_to.clone()),
            Self::Bucket(at) => at.replicates_to().await,
        }
    }
}

fn different_kinds() -> WorkError {
    WorkError::permanent("place_invalid", "a table and a bucket cannot hold the same data: correct the topology")
}
