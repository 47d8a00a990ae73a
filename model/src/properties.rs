//! What must hold in every state, and what must be possible at all.

use stateright::Property;

use crate::actions::Action;
use crate::protocol::Protocol;
use crate::state::{EntryState, Stage, State, Status};

pub(crate) fn all() -> Vec<Property<Protocol>> {
    vec![
        Property::always("live data is never deleted", |_, state: &State| state.stores[state.placement].is_some()),
        Property::always("no acknowledged write is lost", |_, state: &State| {
            state.stores[state.placement].is_none_or(|version| version == state.acknowledged)
        }),
        Property::always("no data without a ledger entry", |_, state: &State| {
            (0..2).all(|at| state.stores[at].is_none() || state.entries[at].state != EntryState::Absent)
        }),
        Property::always("one active move", |_, state: &State| {
            let mut active = state.moves.iter().enumerate().filter(|(_, one)| one.is_active());
            active.all(|(id, one)| state.active_move == Some(id) || one.stage == Stage::HalfCommitted)
        }),
        Property::always("the epoch only grows", |_, state: &State| !state.wrongs.epoch_fell),
        Property::always("every change raises the epoch", |_, state: &State| !state.wrongs.changed_silently),
        Property::always("commit is all or nothing", |_, state: &State| {
            let live = |at: usize| state.entries[at].state == EntryState::Live;
            live(state.placement) && !live(1 - state.placement)
        }),
        Property::always("nothing commits after a lapse", |_, state: &State| !state.wrongs.committed_after_lapse),
        Property::always("no late write is deleted unseen", |_, state: &State| !state.wrongs.deleted_unseen),
        Property::always("the catalogue alone brings the tenant back", |protocol, state| {
            can_come_back(protocol, state)
        }),
        Property::always("work can always go on", can_go_on),
        Property::sometimes("there and back again", |_, state: &State| {
            state.moves.len() == 2 && state.moves.iter().all(|one| one.stage == Stage::Completed) && is_clean(state)
        }),
        Property::sometimes("a rolled back move, and its target used again", |_, state: &State| {
            state.moves.first().is_some_and(|one| one.stage == Stage::RolledBack && one.generation > 0)
                && state.moves.get(1).is_some_and(|one| one.stage == Stage::Completed)
                && is_clean(state)
        }),
        Property::sometimes("a late write is found, accepted and removed", |_, state: &State| {
            state.late_accepted && state.late_left == 0 && is_clean(state)
        }),
        Property::sometimes("a process is at work that has lost its lease", |_, state: &State| {
            state.processes.iter().flatten().any(|job| match job.work {
                crate::state::Work::Move(id) => state.moves[id].is_offline() && state.moves[id].fence > job.fence,
                crate::state::Work::Removal(id) => !state.removals[id].done && state.removals[id].fence > job.fence,
            })
        }),
    ]
}

/// Everything that was given up is empty.
fn is_clean(state: &State) -> bool {
    state.removals.iter().all(|removal| removal.done) && state.stores[1 - state.placement].is_none()
}

/// Whoever died: a lapse and the sweep, which ask no store and no process, put the tenant online.
fn can_come_back(protocol: &Protocol, state: &State) -> bool {
    if state.status == Status::Online {
        return true;
    }
    let lapsed = protocol.apply(state, Action::Lapse).unwrap_or_else(|| state.clone());
    protocol.apply(&lapsed, Action::Sweep).is_some_and(|after| after.status == Status::Online)
}

/// Whatever is unfinished and waits for nobody has something that can happen to it.
fn can_go_on(protocol: &Protocol, state: &State) -> bool {
    let moves = state.moves.iter().any(|one| one.is_active());
    let removals = state.removals.iter().any(|one| !one.done && !one.failed);
    if !moves && !removals {
        return true;
    }
    let mut actions = Vec::new();
    protocol.work(state, &mut actions);
    protocol.requests(state, &mut actions);
    // A person's replay frees a target, and a cached context reaches its age by itself.
    state.client.is_some()
        || state.removals.iter().any(|one| one.failed)
        || actions.into_iter().any(|action| protocol.apply(state, action).is_some())
}
