//! One measurement: the movers or the bare loop copy all objects once.

use std::time::{Duration, Instant};

use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use workers::error::WorkError;
use workers::permit::Permits;
use workers::place::Place;
use workers::{CredentialsFrom, Depth, Movers, PartCopy, Settings};

use super::stores::Addresses;
use super::{Error, SOURCE_BUCKET, SOURCE_REGION, TARGET_REGION, TENANT, bare};
use crate::copy::mover::{Allows, Forgets};
use crate::copy::usage;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Side {
    /// The SDK alone.
    Bare,
    /// The movers, without reading back.
    Copy,
    /// The movers, everything read back.
    Verify,
}

/// What to copy, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Client {
    pub(super) side: Side,
    pub(super) regions: Addresses,
    pub(super) target: String,
    pub(super) parts: u32,
}

/// What it took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Measured {
    pub(super) objects: u64,
    pub(super) seconds: f64,
    pub(super) cpu_seconds: f64,
    pub(super) peak_kib: u64,
}

impl Client {
    pub(super) async fn run(&self) -> Result<Measured, Error> {
        let (began, cpu) = (Instant::now(), usage::cpu_seconds(None)?);
        let objects = match self.side {
            Side::Bare => bare::copy(self).await?,
            Side::Copy | Side::Verify => self.move_all().await?,
        };
        Ok(Measured {
            objects,
            seconds: began.elapsed().as_secs_f64(),
            cpu_seconds: usage::cpu_seconds(None)? - cpu,
            peak_kib: usage::peak_kib()?,
        })
    }

    async fn move_all(&self) -> Result<u64, Error> {
        let settings = Settings { index_settle: Duration::ZERO, ..Settings::default() };
        let movers = Movers::new(CredentialsFrom::Fixed(testkit::region::credentials()), settings);
        let place = |region: &str, endpoint: &str, bucket: &str| Place::S3 {
            region: region.to_owned(),
            endpoint: Some(endpoint.to_owned()),
            bucket: bucket.to_owned(),
            prefix: format!("{TENANT}/"),
            bounds: Vec::new(),
        };
        let from = place(SOURCE_REGION, &self.regions.from, SOURCE_BUCKET);
        let to = place(TARGET_REGION, &self.regions.to, &self.target);
        let verify = self.side == Side::Verify;
        // As a move does while its tenant is still online; it counts as part of the copy here.
        let found = movers.survey(&from, TENANT, Depth::Listed).await.map_err(|error| Error::part(&error))?;
        let bounds = found.cuts.bounds(self.parts);
        let (from, to) = (from.divided_at(&bounds), to.divided_at(&bounds));
        let parts = (0..from.parts()).map(|part| {
            let (movers, from, to) = (movers.clone(), from.clone(), to.clone());
            async move {
                tokio::spawn(async move { one(&movers, PartCopy::new(&from, &to, TENANT, part), verify).await }).await
            }
        });
        let mut objects = 0;
        for copied in try_join_all(parts).await.map_err(|_| Error::Part("a mover panicked".to_owned()))? {
            objects += copied.map_err(|error| Error::part(&error))?;
        }
        Ok(objects)
    }
}

async fn one(movers: &Movers, copy: PartCopy<'_>, verify: bool) -> Result<u64, WorkError> {
    let permits = Permits::new(&Allows, movers.settings().permit_fresh_for);
    let copied = movers.copy(copy, &permits, &Forgets, None).await?;
    if verify {
        movers.verify(copy, &copied, &Forgets).await?;
    }
    Ok(copied.objects)
}
