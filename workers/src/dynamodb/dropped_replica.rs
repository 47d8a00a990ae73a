//! Finds what a replica that is about to be left has and the copy that stays has not, while both may still be
//! written to: only a difference that is found twice, with nothing having arrived at the kept copy in
//! between, is one.

use futures::TryStreamExt;

use super::read::Read;
use super::{Item, Part, Table, canonical, keys};
use crate::checkpointed_pass::Run;
use crate::digest::Digest;
use crate::dropped_replica::Looks;
use crate::dynamodb::differing_keys::{by_key, matching};
use crate::error::WorkError;
use crate::heartbeat::Heartbeat;
use crate::mismatch::{Differs, Mismatch};

/// One that differed at the first look.
struct Suspect {
    key: Item,
    bytes: Vec<u8>,
    /// What the kept copy had under the key.
    kept: Option<Digest>,
}

/// BatchGetItem takes at most this many keys (DynamoDB API Reference, "BatchGetItem").
const MOST_KEYS: usize = 100;

/// The lasting differences of `at` from `kept`, at most as many as are named; `run` counts what was compared.
pub(crate) async fn lasting_differences(
    at: &Table,
    kept: &Table,
    part: &Part,
    looks: Looks,
    run: &mut Run<'_>,
) -> Result<Vec<Mismatch>, WorkError> {
    let heartbeat = run.heartbeat();
    let mut suspects: Vec<Suspect> = Vec::new();
    let mut batches = std::pin::pin!(at.batches(part, run.cursor(), &heartbeat)?);
    while let Some(batch) = batches.try_next().await? {
        suspects.extend(first_look(at, kept, part, &batch.items, looks, &heartbeat).await?);
        run.count(&batch.tally);
        run.pass_over(&batch.besides);
        run.list(&batch.listed);
        if suspects.len() >= looks.at_once {
            let found = second_look(at, kept, part, std::mem::take(&mut suspects), looks, &heartbeat).await?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        // A checkpoint does not know of suspects.
        if let (Some(key), true) = (batch.resume_at, suspects.is_empty()) {
            run.reached(keys::to_json(&key)?).await?;
        }
    }
    second_look(at, kept, part, suspects, looks, &heartbeat).await
}

async fn first_look(
    at: &Table,
    kept: &Table,
    part: &Part,
    items: &[Item],
    looks: Looks,
    heartbeat: &Heartbeat<'_>,
) -> Result<Vec<Suspect>, WorkError> {
    let (here, there) = (by_key(at, items)?, by_key(kept, &matching(kept, items, part, heartbeat).await?)?);
    let mut suspects = Vec::new();
    // Judged now that both sides have been read: either store may have deleted what had expired.
    for item in items.iter().filter(|item| !at.may_be_gone(item)) {
        let key = at.key_of(item)?;
        let mut bytes = Vec::new();
        canonical::item(&key, &mut bytes)?;
        let [here, kept] = [&here, &there].map(|items| items.get(&bytes).map(|(_, digest)| *digest));
        if looks.differs.is_so(here, kept) {
            suspects.push(Suspect { key, bytes, kept });
        }
    }
    Ok(suspects)
}

/// Waits, and looks at the suspects again.
async fn second_look(
    at: &Table,
    kept: &Table,
    part: &Part,
    suspects: Vec<Suspect>,
    looks: Looks,
    heartbeat: &Heartbeat<'_>,
) -> Result<Vec<Mismatch>, WorkError> {
    let mut found = Vec::new();
    if suspects.is_empty() {
        return Ok(found);
    }
    looks.wait(heartbeat).await?;
    for some in suspects.chunks(MOST_KEYS) {
        let keys: Vec<Item> = some.iter().map(|suspect| suspect.key.clone()).collect();
        let mut here = at.get(keys, Read::Whole, heartbeat).await?;
        here.retain(|item| at.belongs(item, part));
        let there = by_key(kept, &matching(kept, &here, part, heartbeat).await?)?;
        here.retain(|item| !at.may_be_gone(item));
        let here = by_key(at, &here)?;
        for suspect in some {
            let Some((words, digest)) = here.get(&suspect.bytes) else { continue };
            let kept = there.get(&suspect.bytes).map(|(_, digest)| *digest);
            if kept == suspect.kept && looks.differs.is_so(Some(*digest), kept) {
                found.push(Differs::named(words.clone(), kept.is_some()));
            }
        }
        if found.len() >= looks.most {
            break;
        }
    }
    found.truncate(looks.most);
    Ok(found)
}
