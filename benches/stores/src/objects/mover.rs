//! The movers, over a prefix that is divided as a move divides it.

use workers::place::Place;
use workers::{CredentialsFrom, Depth, Movers, Verification};

use super::SOURCE_BUCKET;
use crate::job::{Copied, Job, Reads};
use crate::{Error, SOURCE_REGION, TARGET_REGION, TENANT, movers};

/// Copies and verifies. The source settles in every mode.
pub(super) async fn copy(job: &Job, verification: Verification) -> Result<Copied, Error> {
    let movers = Movers::new(CredentialsFrom::Fixed(testkit::region::credentials()), movers::settings());
    let from = place(SOURCE_REGION, &job.regions.from, SOURCE_BUCKET);
    let to = place(TARGET_REGION, &job.regions.to, &job.target);
    // As a move does while its tenant is still online; it counts as part of the copy here.
    let found = movers.survey(&from, TENANT, Depth::Listed).await.map_err(|error| Error::part(&error))?;
    let bounds = found.cuts.bounds(job.parts);
    let (from, to) = (from.divided_at(&bounds), to.divided_at(&bounds));
    let copied = movers::copy_all(&movers, &from, &to, verification, None).await?;
    Ok(Copied { count: copied.objects, reads: Reads::default() })
}

fn place(region: &str, endpoint: &str, bucket: &str) -> Place {
    Place::S3 {
        region: region.to_owned(),
        endpoint: Some(endpoint.to_owned()),
        bucket: bucket.to_owned(),
        prefix: format!("{TENANT}/"),
        bounds: Vec::new(),
    }
}
