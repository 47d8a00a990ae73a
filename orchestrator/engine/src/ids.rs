//! Identifiers of workflows, tasks and audit rows, and chance. Injected, so that a simulation repeats them.

use uuid::Uuid;

/// A source of identifiers. Later ones sort after earlier ones, so that lists page by id.
pub trait Ids: Send + Sync + 'static {
    /// A new identifier.
    fn next(&self) -> String;

    /// A number from 0 to below 1, by chance: where in its jitter a wait lies.
    fn chance(&self) -> f64;
}

/// UUIDs of version 7: a timestamp first, then randomness. Source: RFC 9562, section 5.7.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomIds;

impl Ids for RandomIds {
    fn next(&self) -> String {
        Uuid::now_v7().to_string()
    }

    fn chance(&self) -> f64 {
        // The low half of a UUID is random but for the two variant bits on top of it.
        let low = (Uuid::now_v7().as_u128() & u128::from(u32::MAX)) as u32;
        f64::from(low) / (f64::from(u32::MAX) + 1.0)
    }
}
