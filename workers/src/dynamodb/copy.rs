//! One complete pass over a part that copies every item to the target table.

use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::sync::mpsc;

use super::read::{Batch, Read};
use super::{Item, Part, Table, keys};
use crate::checkpointed_pass::Run;
use crate::error::WorkError;
use crate::heartbeat::Heartbeat;
use crate::ledger_permit::Permits;
use crate::tables::AttributeValue;

/// Batches that wait between reader and writer.
const WAITING: usize = 2;
/// Batches that are written at once, each by several requests: enough for 1,000 units a second from 200 ms away.
const WRITTEN: usize = 2;

/// Copies what `run`'s cursor has not passed yet. Reader and writer overlap; the tally and the cursor advance in the
/// order of the index, only after the writes are acknowledged.
pub(crate) async fn copy_pass(
    from: &Table,
    to: &Table,
    part: &Part,
    key_prefix: Option<&str>,
    permits: &Permits<'_>,
    run: &mut Run<'_>,
) -> Result<(), WorkError> {
    let heartbeat = run.heartbeat();
    let batches = from.batches(part, run.cursor(), &heartbeat)?;
    let (sender, receiver) = mpsc::channel(WAITING);
    let reading = async move {
        let mut batches = std::pin::pin!(batches);
        while let Some(batch) = batches.try_next().await? {
            if sender.send(batch).await.is_err() {
                break; // The writer has stopped, and says why itself.
            }
        }
        Ok(())
    };
    tokio::try_join!(reading, write_all(to, (part, key_prefix), receiver, permits, run))?;
    Ok(())
}

async fn write_all(
    to: &Table,
    (part, key_prefix): (&Part, Option<&str>),
    receiver: mpsc::Receiver<Batch>,
    permits: &Permits<'_>,
    run: &mut Run<'_>,
) -> Result<(), WorkError> {
    let heartbeat = &*run.heartbeat();
    let batches =
        stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|batch| (batch, receiver)) });
    let written = batches
        .map(|batch| async move {
            let Batch { items, tally, besides, marks, listed, resume_at } = batch;
            match key_prefix {
                Some(prefix) => to.refuse_other_keys(&items, prefix)?,
                None => to.refuse_foreign(&items, part, heartbeat).await?,
            }
            to.put(items, permits, heartbeat).await?;
            Ok::<_, WorkError>((tally, besides, marks, listed, resume_at))
        })
        .buffered(WRITTEN);
    let mut written = std::pin::pin!(written);
    while let Some((tally, besides, marks, listed, resume_at)) = written.try_next().await? {
        run.count(&tally);
        run.note(marks);
        run.pass_over(&besides);
        run.list(&listed);
        if let Some(key) = resume_at {
            run.reached(keys::to_json(&key)?).await?;
        }
    }
    Ok(())
}

impl Table {
    /// The service's owner has stated what the tenant's partition keys begin with: then another tenant's item can't stand under one
    /// of them, and nobody has to look. The statement is held against every item.
    fn refuse_other_keys(&self, items: &[Item], prefix: &str) -> Result<(), WorkError> {
        let hash = self.schema.keys.first().map(|key| key.name.as_str()).unwrap_or_default();
        let begins = |item: &&Item| matches!(item.get(hash), Some(AttributeValue::S(key)) if key.starts_with(prefix));
        let Some(other) = items.iter().find(|item| !begins(item)) else { return Ok(()) };
        let message = format!(
            "an item of the tenant does not have a partition key that begins with `{prefix}` as the topology states ({}): correct \
             keyPrefix of the service's store, or take it out",
            keys::printable(&self.key_of(other)?)
        );
        Err(WorkError::permanent("key_prefix_mismatch", message))
    }

    /// A batch write has no conditions, so look first: an item of another tenant under the same key must not be lost.
    async fn refuse_foreign(&self, items: &[Item], part: &Part, heartbeat: &Heartbeat<'_>) -> Result<(), WorkError> {
        let keys = items.iter().map(|item| self.key_of(item)).collect::<Result<Vec<_>, _>>()?;
        let there = self.get(keys, Read::Owner, heartbeat).await?;
        let Some(foreign) = there.iter().find(|item| !part.is_of_tenant(item.get(&self.index_key))) else {
            return Ok(());
        };
        let message = format!(
            "{} holds an item that is not the tenant's under a key of the tenant ({}): it is not overwritten. Find out whose it is",
            self.site,
            keys::printable(&self.key_of(foreign)?)
        );
        Err(WorkError::permanent("foreign_item", message))
    }
}
