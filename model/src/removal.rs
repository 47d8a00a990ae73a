//! The steps of a removal.

use crate::guards::Guard;
use crate::protocol::{Protocol, arrow};
use crate::state::{EntryState, Job, Location, Removal, Request, State};

/// Stores the removal of what is at a location now; `left`: a commit has left it.
pub(crate) fn queue_removal(state: &mut State, at: Location, left: bool) -> bool {
    let generation = state.entries[at].generation;
    // Where nobody writes late there is nothing to find.
    let compared = !left || state.late_left == 0;
    let removal = Removal { at, generation, fence: 0, left, compared, failed: false, found_late: false, done: false };
    state.removals.push(removal);
    true
}

/// Somebody whose request lay in a queue writes to the location that the tenant has left: before the removal has compared it, or
/// while it has failed, long after everything that it had sent. (What is written while it deletes, it can't see.)
pub(crate) fn write_late(state: &mut State, id: usize) -> bool {
    let removal = state.removals[id];
    let open = removal.left && !removal.done && (removal.failed || !removal.compared);
    if state.late_left == 0 || !open || state.is_awaited_at(removal.at) {
        return false;
    }
    state.late_left -= 1;
    state.stores[removal.at] = Some(LATE);
    state.unseen[removal.at] = true;
    true
}

/// The version of a late write.
const LATE: u8 = u8::MAX;

impl Protocol {
    /// Asks for a permit and sends the delete; once it is answered, waits, looks, and makes the entry absent.
    pub(crate) fn step_removal(&self, state: &mut State, process: usize, id: usize, job: Job) -> bool {
        if state.requests.iter().any(|request| request.by == Some(process)) {
            return false;
        }
        let removal = state.removals[id];
        if !removal.compared {
            return self.compare(state, id);
        }
        if job.answered && state.stores[removal.at].is_none() {
            return self.finish(state, id);
        }
        let entry = state.entries[removal.at];
        let same = entry.generation == removal.generation || !self.has(Guard::Generation);
        let removing = entry.state == EntryState::Removing || !self.has(Guard::EntryAtPermit);
        if same && removing {
            state.send(Request { to: removal.at, put: None, by: Some(process) });
            state.processes[process] = Some(Job { answered: false, ..job });
        } else {
            // Superseded: the entry is not this removal's any more.
            state.removals[id].done = true;
        }
        true
    }

    /// Waits until nothing can land there any more, and looks whether it is as it was verified.
    fn compare(&self, state: &mut State, id: usize) -> bool {
        let removal = &state.removals[id];
        if !self.has_waited(Guard::WaitBeforeAbsent, state, removal.at) {
            return false;
        }
        let late = state.unseen[removal.at];
        let removal = &mut state.removals[id];
        (removal.compared, removal.failed, removal.found_late) = (!late, late, late);
        removal.fence += u8::from(late);
        true
    }

    fn finish(&self, state: &mut State, id: usize) -> bool {
        let removal = state.removals[id];
        let same = state.entries[removal.at].generation == removal.generation || !self.has(Guard::Generation);
        if !self.has_waited(Guard::WaitBeforeAbsent, state, removal.at)
            || !same
            || !arrow(self, state, removal.at, EntryState::Removing, EntryState::Absent)
        {
            return false;
        }
        state.removals[id].done = true;
        true
    }
}
