//! What the protocol has no say in: clocks, the client, claims of work, the network, and removals that fail.

use crate::guards::Guard;
use crate::protocol::Protocol;
use crate::state::{Context, Job, Request, Stage, State, Status, Work};

pub(crate) fn lapse(state: &mut State) -> bool {
    if state.status != Status::Moving || state.lapsed {
        return false;
    }
    state.lapsed = true;
    state.had_lapsed = true;
    true
}

pub(crate) fn fetch(state: &mut State) -> bool {
    state.client = Some(Context { epoch: state.epoch, placement: state.placement });
    state.status == Status::Online
}

pub(crate) fn write(state: &mut State) -> bool {
    let Some(context) = state.client else { return false };
    state.acknowledged += 1;
    state.stores[context.placement] = Some(state.acknowledged);
    true
}

pub(crate) fn claim(state: &mut State, process: usize, work: Work) -> bool {
    let fence = *state.fence(work);
    let held = state.processes.iter().flatten().any(|job| job.work == work && job.fence == fence);
    if state.is_at_rest(work) || (held && state.mishaps_left == 0) {
        return false;
    }
    state.mishaps_left -= u8::from(held);
    state.abandon_requests(process);
    *state.fence(work) += 1;
    let stage = match work {
        Work::Move(id) => state.moves[id].stage,
        Work::Removal(_) => Stage::Planned,
    };
    state.processes[process] = Some(Job { work, fence: fence + 1, stage, answered: false });
    true
}

pub(crate) fn deliver(state: &mut State, at: usize, again: bool) -> bool {
    let request = state.requests.remove(at);
    let unseen = std::mem::take(&mut state.unseen[request.to]);
    state.wrongs.deleted_unseen |= unseen;
    state.stores[request.to] = request.put;
    if let Some(process) = request.by
        && let Some(job) = &mut state.processes[process]
    {
        job.answered = true;
    }
    if again {
        state.mishaps_left -= 1;
        state.send(Request { by: None, ..request });
    }
    true
}

pub(crate) fn fail_removal(state: &mut State, id: usize) -> bool {
    let removal = &mut state.removals[id];
    if removal.done || removal.failed || state.mishaps_left == 0 {
        return false;
    }
    removal.failed = true;
    removal.fence += 1;
    state.mishaps_left -= 1;
    true
}

/// Runs a failed removal again: it compares again, but for what whoever replays it has seen.
pub(crate) fn replay(protocol: &Protocol, state: &mut State, id: usize) -> bool {
    let removal = &mut state.removals[id];
    if !removal.failed {
        return false;
    }
    removal.failed = false;
    removal.fence += 1;
    if removal.found_late {
        removal.found_late = false;
        state.unseen[removal.at] = false;
        state.late_accepted = true;
    }
    // Where nobody has written late or still may, it would find nothing.
    let may_differ = state.unseen[removal.at] || state.late_left > 0;
    if removal.left && may_differ && protocol.has(Guard::CompareOnReplay) {
        removal.compared = false;
    }
    true
}
