//! Identifiers of workflows, tasks and audit rows. Injected, so that a simulation repeats them.

use uuid::Uuid;

/// A source of identifiers. Later ones sort after earlier ones, so that lists page by id.
pub trait Ids: Send + Sync + 'static {
    /// A new identifier.
    fn next(&self) -> String;
}

/// UUIDs of version 7: a timestamp first, then randomness. Source: RFC 9562, section 5.7.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomIds;

impl Ids for RandomIds {
    fn next(&self) -> String {
        Uuid::now_v7().to_string()
    }
}
