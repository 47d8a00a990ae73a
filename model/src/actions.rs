//! What may happen next: steps of processes, and everything that the protocol has no say in.

use stateright::{Model, Property};

use crate::events::{claim, deliver, fail_removal, fetch, lapse, replay, write};
use crate::guards::Guard;
use crate::properties;
use crate::removal::write_late;
use crate::state::{CellState, Job, Location, Move, Stage, State, Status, Work};

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

    fn people(&self, state: &State, actions: &mut Vec<Action>) {
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

    fn client(&self, state: &State, actions: &mut Vec<Action>) {
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
        if state.status != Status::Online || (state.mover.is_some() && self.has(Guard::OneMover)) {
            return false;
        }
        let (from, epoch) = (state.placement, state.epoch);
        state.mover = Some(state.moves.len());
        state.moves.push(Move { from, to: 1 - from, stage: Stage::Planned, fence: 0, epoch, generation: 0 });
        true
    }

    fn cancel(&self, state: &mut State, id: usize) -> bool {
        match state.moves[id].stage {
            Stage::Planned => {
                state.moves[id].stage = Stage::RolledBack;
                state.moves[id].fence += 1;
                state.mover = state.mover.filter(|mover| *mover != id);
                true
            }
            _ if state.moves[id].is_offline() => self.bring_back(state, id),
            _ => false,
        }
    }

    fn sweep(&self, state: &mut State) -> bool {
        match state.mover {
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

/// A cell that is not in the first state of an arrow is not touched.
pub(crate) fn arrow(protocol: &Protocol, state: &mut State, at: Location, from: CellState, to: CellState) -> bool {
    if protocol.has(Guard::CellArrows) && state.cells[at].state != from {
        return false;
    }
    state.cells[at].state = to;
    true
}
