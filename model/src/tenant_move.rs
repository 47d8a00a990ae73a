//! The steps of a move, and the way back online.

use crate::guards::Guard;
use crate::protocol::{Protocol, arrow};
use crate::removal::queue_removal;
use crate::state::{EntryState, Job, Request, Stage, State, Status};

impl Protocol {
    /// One step as this process believes it to be next. `false`: it changes nothing.
    pub(crate) fn step_move(&self, state: &mut State, process: usize, id: usize, job: Job) -> bool {
        let next = match job.stage {
            Stage::Planned => self.take_offline(state, id),
            Stage::Drain => self.drained(state, id).then_some(Stage::AddData),
            Stage::AddData => return self.add_data(state, process, id, job),
            Stage::Verify => self.verify(state, id),
            Stage::Commit => self.commit(state, id),
            Stage::HalfCommitted => self.commit_entries(state, id).then_some(Stage::Completed),
            Stage::ReOnline => return self.bring_back(state, id),
            Stage::Completed | Stage::RolledBack => None,
        };
        let Some(next) = next else { return false };
        record(state, process, id, next);
        true
    }

    fn take_offline(&self, state: &mut State, id: usize) -> Option<Stage> {
        let (to, epoch) = (state.moves[id].to, state.moves[id].epoch);
        let mine = state.status == Status::Online && state.epoch == epoch && state.active_move == Some(id);
        let free = state.entries[to].state == EntryState::Absent || !self.has(Guard::TargetAbsent);
        if !mine || !free {
            return None;
        }
        state.status = Status::Moving;
        state.epoch += 1;
        (state.lapsed, state.had_lapsed) = (false, false);
        if self.has(Guard::LedgerFirst) {
            state.entries[to].state = EntryState::Adding;
            state.entries[to].generation += 1;
        }
        state.moves[id].epoch = state.epoch;
        state.moves[id].generation = state.entries[to].generation;
        Some(Stage::Drain)
    }

    fn drained(&self, state: &State, id: usize) -> bool {
        let seen = state.client.is_none_or(|context| context.epoch >= state.moves[id].epoch);
        seen || !self.has(Guard::Drain)
    }

    /// Asks for a permit and sends the write; once it is answered and the target equals the source, goes on.
    fn add_data(&self, state: &mut State, process: usize, id: usize, job: Job) -> bool {
        let tenant_move = state.moves[id];
        if !self.has(Guard::AddBeforeCommit) {
            record(state, process, id, Stage::Commit);
            return true;
        }
        if state.requests.iter().any(|request| request.by == Some(process)) {
            return false;
        }
        let source = state.stores[tenant_move.from];
        if job.answered && state.stores[tenant_move.to] == source {
            record(state, process, id, Stage::Verify);
            return true;
        }
        let entry = state.entries[tenant_move.to];
        let permitted = (state.epoch == tenant_move.epoch || !self.has(Guard::EpochAtPermit))
            && (entry.state == EntryState::Adding || !self.has(Guard::EntryAtPermit) || !self.has(Guard::LedgerFirst))
            && (entry.generation == tenant_move.generation || !self.has(Guard::Generation));
        if permitted {
            state.send(Request { to: tenant_move.to, put: source, by: Some(process) });
            state.processes[process] = Some(Job { answered: false, ..job });
        }
        permitted
    }

    fn verify(&self, state: &State, id: usize) -> Option<Stage> {
        let tenant_move = state.moves[id];
        if !self.has_waited(Guard::WaitBeforeVerify, state, tenant_move.to) {
            return None;
        }
        let equal = state.stores[tenant_move.to] == state.stores[tenant_move.from];
        Some(if equal { Stage::Commit } else { Stage::ReOnline })
    }

    fn commit(&self, state: &mut State, id: usize) -> Option<Stage> {
        let tenant_move = state.moves[id];
        let epoch = state.epoch == tenant_move.epoch || !self.has(Guard::EpochAtCommit);
        let mine = state.status == Status::Moving && state.active_move == Some(id) || !self.has(Guard::StatusAtCommit);
        if !epoch || !mine {
            return None;
        }
        if state.lapsed {
            return Some(Stage::ReOnline);
        }
        state.wrongs.committed_after_lapse |= state.had_lapsed;
        if self.has(Guard::OneTransaction) && !self.commit_entries(state, id) {
            return None;
        }
        state.placement = tenant_move.to;
        state.status = Status::Online;
        state.epoch += 1;
        state.active_move = None;
        (state.lapsed, state.had_lapsed) = (false, false);
        Some(if self.has(Guard::OneTransaction) { Stage::Completed } else { Stage::HalfCommitted })
    }

    fn commit_entries(&self, state: &mut State, id: usize) -> bool {
        let tenant_move = state.moves[id];
        let adding = if self.has(Guard::LedgerFirst) { EntryState::Adding } else { EntryState::Absent };
        arrow(self, state, tenant_move.to, adding, EntryState::Live)
            && arrow(self, state, tenant_move.from, EntryState::Live, EntryState::Removing)
            && queue_removal(state, tenant_move.from, true)
    }

    /// `re_online`: also what a cancel and the sweep do. Touches nothing but the catalogue.
    pub(crate) fn bring_back(&self, state: &mut State, id: usize) -> bool {
        let tenant_move = state.moves[id];
        if state.status != Status::Moving || state.active_move != Some(id) || state.epoch != tenant_move.epoch {
            return false;
        }
        state.status = Status::Online;
        state.epoch += u8::from(self.has(Guard::ReOnlineRaisesEpoch));
        state.active_move = None;
        (state.lapsed, state.had_lapsed) = (false, false);
        state.moves[id].stage = Stage::RolledBack;
        state.moves[id].fence += 1;
        if state.entries[tenant_move.to].state == EntryState::Adding {
            state.entries[tenant_move.to].state = EntryState::Removing;
            return queue_removal(state, tenant_move.to, false);
        }
        true
    }
}

/// Writes the stage into the row, as this process believes it to be.
fn record(state: &mut State, process: usize, id: usize, next: Stage) {
    state.moves[id].stage = next;
    if let Some(job) = &mut state.processes[process] {
        job.stage = next;
        job.answered = false;
    }
}
