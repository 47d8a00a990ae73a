//! What is going to happen when. Of what happens at the same moment, chance decides what comes first.

use std::collections::BTreeMap;

use super::{Chance, Millis};

/// Events by the time at which they are due.
#[derive(Debug)]
pub struct EventQueue<E> {
    events: BTreeMap<(Millis, u64, u64), E>,
    planned: u64,
}

impl<E> Default for EventQueue<E> {
    fn default() -> Self {
        Self { events: BTreeMap::new(), planned: 0 }
    }
}

impl<E> EventQueue<E> {
    /// Plans `event` for `at`.
    pub fn plan(&mut self, chance: &mut Chance, at: Millis, event: E) {
        self.planned += 1;
        self.events.insert((at, chance.bits(), self.planned), event);
    }

    /// When the next event is due.
    pub fn next(&self) -> Option<Millis> {
        self.events.keys().next().map(|(at, _, _)| *at)
    }

    /// Takes the next event that is due at `now`.
    pub fn take_due(&mut self, now: Millis) -> Option<E> {
        self.next().filter(|at| *at <= now)?;
        self.events.pop_first().map(|(_, event)| event)
    }
}
