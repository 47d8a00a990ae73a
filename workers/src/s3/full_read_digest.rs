//! Reads objects in full to count and digest them; large ones in ranges, several at once.

use futures::stream::{self, StreamExt, TryStreamExt};

use super::Bucket;
use super::copying::counted;
use super::object::Head;
use super::read::{CHANGED, Opened};
use crate::bounded_retry::Patience;
use crate::error::WorkError;
use crate::heartbeat::Pulse;
use crate::progress::Tally;
use crate::s3::copy_cursor::{Counted, Large, Underway};
use crate::s3::hash_tree::Hashing;
use crate::s3::part_layout::Layout;

impl Bucket {
    /// Reads an object back in full. `None` when there is none. `size` is what it is thought to have: only how it is read depends
    /// on that.
    pub(super) async fn tally_of(&self, key: &str, size: u64, pulse: &Pulse<'_>) -> Result<Option<Tally>, WorkError> {
        Ok(self.counted(key, size, &Underway::default(), pulse).await?.map(|counted| counted.tally))
    }

    /// The same, going on where `underway` says and noting there how far it is.
    pub(super) async fn counted(
        &self,
        key: &str,
        size: u64,
        underway: &Underway,
        pulse: &Pulse<'_>,
    ) -> Result<Option<Counted>, WorkError> {
        let mut patience = Patience::new(self.settings.patience, pulse);
        loop {
            match self.try_counted(key, size, underway, pulse).await {
                Ok(counted) => return Ok(counted),
                Err(error) => {
                    if error.code == CHANGED {
                        underway.forget(key);
                    }
                    patience.wait(error).await?;
                }
            }
        }
    }

    async fn try_counted(
        &self,
        key: &str,
        size: u64,
        underway: &Underway,
        pulse: &Pulse<'_>,
    ) -> Result<Option<Counted>, WorkError> {
        if Layout::of(size, &self.settings).is_some() {
            let Some(head) = self.look(key).await? else { return Ok(None) };
            if let Some(layout) = Layout::of(head.stamp.size, &self.settings) {
                return Box::pin(self.in_ranges(key, &head, layout, (underway, pulse))).await.map(Some);
            }
        }
        let Some(Opened { head, mut contents }) = self.read(key, pulse).await? else { return Ok(None) };
        contents.exhaust(self).await?;
        Ok(Some(counted(key, &head, &contents.hash())))
    }

    async fn in_ranges(
        &self,
        key: &str,
        head: &Head,
        layout: Layout,
        (underway, pulse): (&Underway, &Pulse<'_>),
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
            let mut contents = self.read_range(key, &head.stamp, &range, pulse).await?;
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
