//! The protocol as the checker explores it.

use stateright::{Model, Property};

use crate::actions::Action;
use crate::properties;
use crate::protocol::Protocol;
use crate::state::State;

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::first(self.bounds.mishaps, self.bounds.late_writes)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.work(state, actions);
        self.requests(state, actions);
        self.people(state, actions);
        self.client(state, actions);
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut after = self.apply(before, action)?;
        after.wrongs.epoch_fell |= after.epoch < before.epoch;
        let changed = (after.status, after.placement) != (before.status, before.placement);
        after.wrongs.changed_silently |= changed && after.epoch == before.epoch;
        Some(after)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
