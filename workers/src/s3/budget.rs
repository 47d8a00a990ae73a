//! One bound on the memory that the contents of objects take, over all objects, parts and tenants of a process.

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::s3::part_layout::largest_piece;
use crate::settings::Settings;

/// Counted in KiB, so that a bound of several GiB fits what a semaphore counts.
const UNIT: u64 = 1 << 10;

/// `object_concurrency` x the larger of `multipart_threshold` and `part_size`.
#[derive(Debug)]
pub(crate) struct Budget {
    units: Semaphore,
    all: u32,
}

impl Budget {
    pub(crate) fn of(settings: &Settings) -> Self {
        let all = units(largest_piece(settings))
            .saturating_mul(u32::try_from(settings.object_concurrency.max(1)).unwrap_or(u32::MAX));
        let all = all.min(u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX)).max(1);
        Self { units: Semaphore::new(all as usize), all }
    }

    /// Room for so many bytes, once there is; who asked first gets it first. What is larger than the whole budget, such as a part
    /// of an object of terabytes, gets all of it.
    pub(super) async fn room(&self, bytes: u64) -> SemaphorePermit<'_> {
        let wanted = units(bytes).min(self.all);
        self.units.acquire_many(wanted).await.expect("the budget is never closed")
    }
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_does_not_fit_waits_and_what_is_too_large_gets_everything() {
        let settings =
            Settings { object_concurrency: 2, part_size: 8 << 20, multipart_threshold: 4 << 20, ..Settings::default() };
        let budget = Budget::of(&settings);
        let first = budget.room(8 << 20).await;
        let second = budget.room((8 << 20) - 5).await;
        assert_eq!(budget.units.available_permits(), 0);
        drop(first);
        drop(second);
        let all = budget.room(1 << 40).await;
        assert_eq!(budget.units.available_permits(), 0);
        drop(all);
        assert_eq!(budget.units.available_permits(), 16 << 10);
    }
}
