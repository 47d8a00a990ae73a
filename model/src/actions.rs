//! What may happen next: steps of processes, and everything that the protocol has no say in.

use crate::events::{claim, deliver, fail_removal, fetch, lapse, replay, write};
use crate::guards::Guard;
use crate::protocol::Protocol;
use crate::removal::write_late;
use crate::state::{Job, Move, Stage, State, Status, Work};

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Somebody asks for a move.
    StartMove,
    /// Somebody cancels a move.
    Cancel(usize),
    /// The offline lease runs out: clocks may say so at any time.
    Lapse,
    /// Some process settles the lapse.
    Sweep,
    /// The process at work renews the lapsed lease: only without its guard.
    RenewLapsed,
    /// The client reads the tenant's context.
    Fetch,
    /// The client writes where its context says.
    Write,
    /// The client's context has reached its age.
    Forget,
    /// A process claims a workflow: new, let go, or taken over from another that may go on believing that it holds it.
    Claim(usize, Work),
    /// A process does the next step of its job.
    Step(usize),
    /// A store applies a request.
    Deliver(usize),
    /// A store applies a request, which may come again.
    DeliverTwice(usize),
    /// A store refuses a request whose permit is old.
    Refuse(usize),
    /// A removal gives up.
    FailRemoval(usize),
    /// Somebody replays a failed removal.
    Replay(usize),
    /// A write that lay in a queue reaches the location that a removal is to empty.
    WriteLate(usize),
}

impl Protocol {
    /// What processes and the sweep may do.
    pub(crate) fn work(&self, state: &State, actions: &mut Vec<Action>) {
        let moves = (0..state.moves.len()).map(Work::Move);
        let all: Vec<Work> = moves.chain((0..state.removals.len()).map(Work::Removal)).collect();
        for (process, job) in state.processes.iter().enumerate() {
            if job.is_some() {
                actions.push(Action::Step(process));
            }
            if job.is_none_or(|job| !is_held(state, &job) || state.is_at_rest(job.work)) {
                actions.extend(all.iter().map(|work| Action::Claim(process, *work)));
            }
        }
        actions.extend([Action::Lapse, Action::Sweep]);
        if !self.has(Guard::NoRenewalAfterLapse) {
            actions.push(Action::RenewLapsed);
        }
    }

    /// What stores may do with requests.
    pub(crate) fn requests(&self, state: &State, actions: &mut Vec<Action>) {
        for at in 0..state.requests.len() {
            actions.push(Action::Deliver(at));
            if state.mishaps_left > 0 {
                actions.push(Action::DeliverTwice(at));
            }
            if self.has(Guard::SignedPermits) {
                actions.push(Action::Refuse(at));
            }
        }
    }

    pub(crate) fn people(&self, state: &State, actions: &mut Vec<Action>) {
        if state.moves.len() < self.bounds.moves {
            actions.push(Action::StartMove);
        }
        actions.extend((0..state.moves.len()).map(Action::Cancel));
        let removals = 0..state.removals.len();
        actions.extend(removals.clone().flat_map(|id| [Action::FailRemoval(id), Action::Replay(id)]));
        if state.late_left > 0 {
            actions.extend(removals.map(Action::WriteLate));
        }
    }

    pub(crate) fn client(&self, state: &State, actions: &mut Vec<Action>) {
        if state.client.is_none() {
            actions.push(Action::Fetch);
            return;
        }
        actions.push(Action::Forget);
        if state.acknowledged <= self.bounds.writes {
            actions.push(Action::Write);
        }
    }

    /// The state afterwards; `None` when the action is not possible here.
    pub(crate) fn apply(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        let done = match action {
            Action::StartMove => self.start_move(&mut state),
            Action::Cancel(id) => self.cancel(&mut state, id),
            Action::Lapse => lapse(&mut state),
            Action::Sweep => self.sweep(&mut state),
            Action::RenewLapsed => std::mem::replace(&mut state.lapsed, false),
            Action::Fetch => fetch(&mut state),
            Action::Write => write(&mut state),
            Action::Forget => state.client.take().is_some(),
            Action::Claim(process, work) => claim(&mut state, process, work),
            Action::Step(process) => self.step(&mut state, process),
            Action::Deliver(at) => deliver(&mut state, at, false),
            Action::DeliverTwice(at) => deliver(&mut state, at, true),
            Action::Refuse(at) => {
                state.requests.remove(at);
                true
            }
            Action::FailRemoval(id) => fail_removal(&mut state, id),
            Action::Replay(id) => replay(self, &mut state, id),
            Action::WriteLate(id) => write_late(&mut state, id),
        };
        done.then_some(state)
    }

    fn start_move(&self, state: &mut State) -> bool {
        if state.status != Status::Online || (state.active_move.is_some() && self.has(Guard::OneActiveMove)) {
            return false;
        }
        let (from, epoch) = (state.placement, state.epoch);
        state.active_move = Some(state.moves.len());
        state.moves.push(Move { from, to: 1 - from, stage: Stage::Planned, fence: 0, epoch, generation: 0 });
        true
    }

    fn cancel(&self, state: &mut State, id: usize) -> bool {
        match state.moves[id].stage {
            Stage::Planned => {
                state.moves[id].stage = Stage::RolledBack;
                state.moves[id].fence += 1;
                state.active_move = state.active_move.filter(|active_move| *active_move != id);
                true
            }
            _ if state.moves[id].is_offline() => self.bring_back(state, id),
            _ => false,
        }
    }

    fn sweep(&self, state: &mut State) -> bool {
        match state.active_move {
            Some(id) if state.lapsed && state.moves[id].is_offline() => self.bring_back(state, id),
            _ => false,
        }
    }

    fn step(&self, state: &mut State, process: usize) -> bool {
        let Some(job) = state.processes[process] else { return false };
        if self.has(Guard::Fence) && !is_held(state, &job) {
            return false;
        }
        match job.work {
            Work::Move(id) => self.step_move(state, process, id, job),
            Work::Removal(id) => self.step_removal(state, process, id, job),
        }
    }
}

/// Whether the row still carries the fence that the job was claimed under.
fn is_held(state: &State, job: &Job) -> bool {
    job.fence
        == match job.work {
            Work::Move(id) => state.moves[id].fence,
            Work::Removal(id) => state.removals[id].fence,
        }
}
