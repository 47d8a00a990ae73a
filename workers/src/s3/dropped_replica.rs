//! The same for objects: what a prefix that is about to be left has and the copy that stays has not, at two
//! looks.

use futures::TryStreamExt;

use super::Bucket;
use super::list::Entry;
use crate::checkpointed_pass::Run;
use crate::dropped_replica::Looks;
use crate::error::WorkError;
use crate::heartbeat::Heartbeat;
use crate::mismatch::{Differs, Mismatch};
use crate::progress::Tally;
use crate::shorten::shorten;

/// One that differed at the first look.
struct Suspect {
    key: String,
    size: u64,
    /// What the kept copy had under the key.
    kept: Option<Tally>,
}

/// The lasting differences of `at` from `kept`, at most as many as are named; `run` counts what was compared.
/// All contents are read.
pub(crate) async fn lasting_differences(
    at: &Bucket,
    kept: &Bucket,
    looks: Looks,
    run: &mut Run<'_>,
) -> Result<Vec<Mismatch>, WorkError> {
    let heartbeat = run.heartbeat();
    let heartbeat = &*heartbeat;
    let compared = at
        .objects(None)
        .map_ok(|Entry { key, version }| async move {
            let (here, there) = tokio::try_join!(
                at.tally_of(&key, version.size, heartbeat),
                kept.tally_of(&key, version.size, heartbeat)
            )?;
            let suspect = looks.differs.is_so(here, there);
            Ok((here, suspect.then_some(Suspect { key, size: version.size, kept: there })))
        })
        .try_buffered(at.settings.object_concurrency);
    let mut compared = std::pin::pin!(compared);
    let mut suspects = Vec::new();
    while let Some((here, suspect)) = compared.try_next().await? {
        if let Some(here) = here {
            run.count(&here);
        }
        suspects.extend(suspect);
        if suspects.len() >= looks.at_once {
            let found = Box::pin(second_look(at, kept, std::mem::take(&mut suspects), looks, heartbeat)).await?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
    }
    Box::pin(second_look(at, kept, suspects, looks, heartbeat)).await
}

/// Waits, and looks at the suspects again.
async fn second_look(
    at: &Bucket,
    kept: &Bucket,
    suspects: Vec<Suspect>,
    looks: Looks,
    heartbeat: &Heartbeat<'_>,
) -> Result<Vec<Mismatch>, WorkError> {
    let mut found = Vec::new();
    if suspects.is_empty() {
        return Ok(found);
    }
    looks.wait(heartbeat).await?;
    for Suspect { key, size, kept: before } in suspects {
        let (here, there) = tokio::try_join!(at.tally_of(&key, size, heartbeat), kept.tally_of(&key, size, heartbeat))?;
        if here.is_some() && there == before && looks.differs.is_so(here, there) {
            found.push(Differs::named(shorten(&key), there.is_some()));
        }
        if found.len() >= looks.most {
            break;
        }
    }
    Ok(found)
}
