//! The protocol under test, and how much may happen to it.

use crate::guards::Guard;
use crate::state::{EntryState, Location, State};

/// How much may happen.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Moves that are started, each away from where the tenant is.
    pub moves: usize,
    /// Writes of the client.
    pub writes: u8,
    /// Take-overs of work that somebody holds, failed removals, and doubled deliveries, all together.
    pub mishaps: u8,
    /// Writes that reach a location after the tenant has left it.
    pub late_writes: u8,
}

/// The protocol, with some guards switched off.
#[derive(Debug, Clone)]
pub struct Protocol {
    /// How much may happen.
    pub bounds: Bounds,
    /// The guards that are switched off.
    pub off: Vec<Guard>,
}

impl Protocol {
    /// Whether a guard is on.
    pub(crate) fn has(&self, guard: Guard) -> bool {
        !self.off.contains(&guard)
    }

    /// Whether no earlier request can change a location any more, as far as waiting can tell: an unsigned request is never
    /// too old, however long one waits.
    pub(crate) fn has_waited(&self, guard: Guard, state: &State, location: Location) -> bool {
        !self.has(guard) || !self.has(Guard::SignedPermits) || !state.is_awaited_at(location)
    }
}

/// An entry that is not in the first state of an arrow is not touched.
pub(crate) fn arrow(protocol: &Protocol, state: &mut State, at: Location, from: EntryState, to: EntryState) -> bool {
    if protocol.has(Guard::EntryArrows) && state.entries[at].state != from {
        return false;
    }
    state.entries[at].state = to;
    true
}
