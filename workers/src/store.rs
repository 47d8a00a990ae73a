//! An opened place with the part of it that is worked on: tells the two kinds of stores apart so that nobody else must.

use crate::dynamodb::{self, Part, Table};
use crate::error::WorkError;
use crate::mismatch::{MOST_NAMED, Mismatch};
use crate::permit::Permits;
use crate::progress::Tally;
use crate::pulse::Pulse;
use crate::run::Run;
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
        verification: Verification,
        run: &mut Run<'_>,
    ) -> Result<Option<Tally>, WorkError> {
        match self {
            Self::Table(at, part) if !verification.is_full() => {
                Box::pin(dynamodb::keys_pass(at, part, run)).await?;
                Ok(run.previous().filter(|_| run.previous_listed() == Some(run.listed())))
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
    /// `self`. `None`: there is nothing to take a sample of, and all has to be read.
    pub(crate) async fn sample(
        &self,
        at: &Self,
        expected: &Tally,
        pulse: &Pulse<'_>,
    ) -> Result<Option<Sample>, WorkError> {
        let (Self::Table(source, part), Self::Table(at, _)) = (self, at) else { return Ok(None) };
        let items = Box::pin(dynamodb::count(at, part, pulse)).await?;
        if items != expected.items {
            return Ok(Some(Sample { items, compared: 0, found: Vec::new() }));
        }
        let sample = Box::pin(dynamodb::differing_sample(source, at, part, expected, MOST_NAMED, pulse)).await?;
        Ok(Some(Sample { items, compared: sample.0, found: sample.1 }))
    }

    /// Some of the keys in which `at` differs from `self`.
    pub(crate) async fn differing_keys(&self, at: &Self, pulse: &Pulse<'_>) -> Result<Vec<Mismatch>, WorkError> {
        match (self, at) {
            (Self::Table(source, part), Self::Table(at, _)) => {
                Box::pin(dynamodb::differing_keys(source, at, part, MOST_NAMED, pulse)).await
            }
            (Self::Bucket(source), Self::Bucket(at)) => {
                Box::pin(s3::differing_keys(source, at, MOST_NAMED, pulse)).await
            }
            _ => Err(different_kinds()),
        }
    }
}

impl Store {
    /// Some of the keys here that `live` lacks or has with other contents.
    pub(crate) async fn unlike(&self, live: &Self, pulse: &Pulse<'_>) -> Result<Vec<Mismatch>, WorkError> {
        match (self, live) {
            (Self::Table(at, part), Self::Table(live, _)) => {
                Box::pin(dynamodb::unlike(at, live, part, MOST_NAMED, pulse)).await
            }
            (Self::Bucket(at), Self::Bucket(live)) => Box::pin(s3::unlike(at, live, MOST_NAMED, pulse)).await,
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
