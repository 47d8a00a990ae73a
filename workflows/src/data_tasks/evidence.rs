//! What is kept of the items of a part of a location: what a copy has read there, and a removal has seen and deleted. Marks without keys,
//! as `workers/src/fingerprint.rs` makes them, erased with the removal.

use catalogue::fingerprints::{self, Of};
use catalogue::location::Location;
use engine::StepError;
use store::{StoreError, Tx};
use workers::fingerprint::{Fingerprint, MOST_MARKS};

/// What the move verified; or what a comparison saw that found nothing, or nothing that was not accepted.
pub(crate) const VERIFIED: &str = "verified";
/// What the comparison that runs has seen.
pub(crate) const SEEN: &str = "seen";
/// What of it was written late.
pub(crate) const FOUND: &str = "found";
/// What was written late under index values that no part has.
pub(crate) const STRAYS: &str = "strays";
/// What was shown as late when the rest became `verified`, and nobody has accepted: a comparison takes it out of that.
pub(crate) const NOT_ACCEPTED: &str = "not accepted";
/// What was about to be deleted: it may be there or not.
pub(crate) const DOOMED: &str = "doomed";
/// What was deleted since.
pub(crate) const DELETED: &str = "deleted";

/// Marks of a part that are kept one by one.
pub(crate) const MOST_SEEN: u64 = MOST_MARKS;
/// A prefix is emptied as a whole, and may have as many parts.
pub(crate) const MOST_DELETED: u64 = 16 * MOST_MARKS;

/// Which fingerprint.
#[derive(Debug, Clone)]
pub(crate) struct Evidence {
    pub(crate) workflow: String,
    pub(crate) name: String,
    pub(crate) part: u32,
}

impl Evidence {
    pub(crate) fn new(workflow: &str, name: &str, part: u32) -> Self {
        Self { workflow: workflow.to_owned(), name: name.to_owned(), part }
    }

    /// The same part's under another name.
    pub(crate) fn named(&self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self.clone() }
    }

    pub(crate) fn of(&self) -> Of<'_> {
        Of { workflow: &self.workflow, name: &self.name, part: self.part }
    }

    /// What was kept under its name in all parts together.
    pub(crate) async fn read_whole(&self, tx: &mut Tx) -> Result<Fingerprint, StepError> {
        let chunks = fingerprints::read_parts(tx, (&self.workflow, &self.name)).await?;
        put_together(&chunks, MOST_DELETED)
    }

    /// The fingerprint; `None` when nothing was kept.
    pub(crate) async fn read(&self, tx: &mut Tx, most: u64) -> Result<Option<Fingerprint>, StepError> {
        let chunks = fingerprints::read_all(tx, self.of()).await?;
        if chunks.is_empty() { Ok(None) } else { put_together(&chunks, most).map(Some) }
    }
}

/// The name of what a copy to `to` has read at the source.
pub(crate) fn copied(service: &str, to: &Location) -> String {
    format!("copied {service} {}", to.key())
}

/// Chunks add up.
pub(crate) fn put_together(chunks: &[String], most: u64) -> Result<Fingerprint, StepError> {
    let mut all = Fingerprint::default();
    for chunk in chunks {
        let unreadable = || StoreError::Corrupt("a fingerprint was written by another version".to_owned());
        all.merge(&Fingerprint::from_text(chunk).ok_or_else(unreadable)?);
        all = all.within(most);
    }
    Ok(all)
}
