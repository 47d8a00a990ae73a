//! Which versions of the schema a store has, and which this program knows.

/// The versions of the schema: a store's, and those that this program knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaVersions {
    /// Applied to the store, in order.
    pub applied: Vec<i64>,
    /// Known here, in order.
    pub known: Vec<i64>,
}

impl SchemaVersions {
    /// Versions that opening the store would apply.
    pub fn missing(&self) -> Vec<i64> {
        self.known.iter().copied().filter(|version| !self.applied.contains(version)).collect()
    }

    /// Versions that a newer program applied.
    pub fn unknown(&self) -> Vec<i64> {
        self.applied.iter().copied().filter(|version| !self.known.contains(version)).collect()
    }
}
