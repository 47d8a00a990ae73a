//! An opened place with the part of it that is worked on: tells the two kinds of stores apart so that nobody else must.

use crate::dynamodb::{self, Part, Table};
use crate::error::WorkError;
use crate::mismatch::{MOST_NAMED, Mismatch};
use crate::permit::Permits;
use crate::progress::Tally;
use crate::pulse::Pulse;
use crate::run::Run;
use crate::s3::{self, Bucket};

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

    pub(crate) async fn copy_pass(&self, to: &Self, permits: &Permits<'_>, run: &mut Run<'_>) -> Result<(), WorkError> {
        match (self, to) {
            (Self::Table(from, part), Self::Table(to, _)) => {
                Box::pin(dynamodb::copy_pass(from, to, part, permits, run)).await
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

    pub(crate) async fn remove(&self, permits: &Permits<'_>, run: &mut Run<'_>) -> Result<Tally, WorkError> {
        match self {
            Self::Table(at, part) => Box::pin(dynamodb::remove(at, part, permits, run)).await,
            Self::Bucket(at) => Box::pin(s3::remove(at, permits, run)).await,
        }
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
