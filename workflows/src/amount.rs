//! Counts of data handled.

use serde::{Deserialize, Serialize};
use workers::Size;
use workers::progress::Tally;

/// Counts of data handled, as shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Amount {
    /// DynamoDB items.
    pub items: u64,
    /// S3 objects.
    pub objects: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Amount {
    /// The sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { items: self.items + other.items, objects: self.objects + other.objects, bytes: self.bytes + other.bytes }
    }
}

impl From<Tally> for Amount {
    fn from(tally: Tally) -> Self {
        Self { items: tally.items, objects: tally.objects, bytes: tally.bytes }
    }
}

impl From<Size> for Amount {
    fn from(size: Size) -> Self {
        Self { items: size.items, objects: size.objects, bytes: size.bytes }
    }
}
