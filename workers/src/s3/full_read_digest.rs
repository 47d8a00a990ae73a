//! Reads objects in full to count and digest them; large ones in ranges, several at once.

use futures::stream::{self, StreamExt, TryStreamExt};

use super::Bucket;
use super::copying::counted;
use super::object::Head;
use super::read::{CHANGED, Opened};
use crate::bounded_retry::BoundedRetry;
use crate::error::WorkError;
use crate::heartbeat::Heartbeat;
use crate::progress::Tally;
use crate::s3::copy_cursor::{Counted, Large, Underway};
use crate::s3::hash_tree::Hashing;
use crate::s3::part_layout::Layout;

impl Bucket {
    /// Reads an object back in full. `None` when there is none. `size` is what it is thought to have: only how it is read depends
    /// on that.
    pub(super) async fn tally_of(
        &self,
        key: &str,
        size: u64,
        heartbeat: &Heartbeat<'_>,
    ) -> Result<Option<Tally>, WorkError> {
        Ok(self.counted(key, size, &Underway::default(), heartbeat).await?.map(|counted| counted.tally))
    }

    /// The same, going on where `underway` says and noting there how far it is.
    pub(super) async fn counted(
        &self,
        key: &str,
        size: u64,
        underway: &Underway,
        heartbeat: &Heartbeat<'_>,
    ) -> Result<Option<Counted>, WorkError> {
        let mut retry = BoundedRetry::new(self.settings.attempts, heartbeat);
        loop {
            match self.try_counted(key, size, underway, heartbeat).await {
                Ok(counted) => return Ok(counted),
                Err(error) => {
                    if error.code == CHANGED {
                        underway.forget(key);
                    }
                    retry.wait(error).await?;
                }
            }
        }
    }

    async fn try_counted(
        &self,
        key: &str,
        size: u64,
        underway: &Underway,
        heartbeat: &Heartbeat<'_>,
    ) -> Result<Option<Counted>, WorkError> {
        if Layout::of(size, &self.settings).is_some() {
            let Some(head) = self.look(key).await? else { return Ok(None) };
            if let Some(layout) = Layout::of(head.stamp.size, &self.settings) {
                return Box::pin(self.in_ranges(key, &head, layout, (underway, heartbeat))).await.map(Some);
            }
        }
        let Some(Opened { head, mut contents }) = self.read(key, heartbeat).await? else { return Ok(None) };
        contents.exhaust(self).await?;
        Ok(Some(counted(key, &head, &contents.hash())))
    }

    async fn in_ranges(
        &self,
        key: &str,
        head: &Head,
        layout: Layout,
        (underway, heartbeat): (&Underway, &Heartbeat<'_>),
    ) -> Result<Counted, WorkError> {
        let fingerprint = head.fingerprint(key);
        let same = |large: &Large| large.fingerprint == fingerprint && large.part_size == layout.part_size;
        let large = underway.of(key).filter(same).unwrap_or_else(|| {
            let hashing = Hashing::of(layout.parts());
            Large {
                fingerprint: fingerprint.clone(),
                part_size: layout.part_size,
                upload: None,
                hashing,
                counted: None,
            }
        });
        if let Some(counted) = large.counted {
            return Ok(counted);
        }
        underway.set(key, large.clone());
        let ranges = stream::iter(large.hashing.missing()).map(|number| async move {
            let range = layout.range(number);
            // Nothing of it is held; this bounds how much is read at once.
            let _room = self.budget.room(range.end - range.start).await;
            let mut contents = self.read_range(key, &head.stamp, &range, heartbeat).await?;
            contents.exhaust(self).await?;
            Ok::<_, WorkError>((number, contents.part()))
        });
        let mut ranges = ranges.buffer_unordered(self.settings.object_concurrency);
        while let Some((number, node)) = ranges.try_next().await? {
            underway.part(key, number, node);
        }
        let root = underway.of(key).and_then(|large| large.hashing.root()).ok_or_else(|| self.changed())?;
        let counted = counted(key, head, &root);
        underway.set(key, Large { counted: Some(counted), ..large });
        Ok(counted)
    }
}
