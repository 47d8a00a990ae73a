//! The steps of a removal.

use crate::actions::{Protocol, arrow};
use crate::guards::Guard;
use crate::state::{CellState, Job, Location, Removal, Request, State};

/// Stores the removal of what is at a location now.
pub(crate) fn queue_removal(state: &mut State, at: Location) -> bool {
    let generation = state.cells[at].generation;
    state.removals.push(Removal { at, generation, fence: 0, failed: false, done: false });
    true
}

impl Protocol {
    /// Asks for a permit and sends the delete; once it is answered, waits, looks, and makes the cell absent.
    pub(crate) fn step_removal(&self, state: &mut State, process: usize, id: usize, job: Job) -> bool {
        if state.requests.iter().any(|request| request.by == Some(process)) {
            return false;
        }
        let removal = state.removals[id];
        if job.answered && state.stores[removal.at].is_none() {
            return self.finish(state, id);
        }
        let cell = state.cells[removal.at];
        let same = cell.generation == removal.generation || !self.has(Guard::Generation);
        let removing = cell.state == CellState::Removing || !self.has(Guard::CellAtPermit);
        if same && removing {
            state.send(Request { to: removal.at, put: None, by: Some(process) });
            state.processes[process] = Some(Job { answered: false, ..job });
        } else {
            // Superseded: the cell is not this removal's any more.
            state.removals[id].done = true;
        }
        true
    }

    fn finish(&self, state: &mut State, id: usize) -> bool {
        let removal = state.removals[id];
        let same = state.cells[removal.at].generation == removal.generation || !self.has(Guard::Generation);
        if !self.has_waited(Guard::WaitBeforeAbsent, state, removal.at)
            || !same
            || !arrow(self, state, removal.at, CellState::Removing, CellState::Absent)
        {
            return false;
        }
        state.removals[id].done = true;
        true
    }
}
