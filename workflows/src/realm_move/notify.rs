//! `notify`: the switch is committed; tells the world. The change feed carries it already (written by the commit itself).

use engine::Next;

use super::state::{Committed, MoveState, Stage};

pub(super) fn advance(state: MoveState, committed: Committed) -> Next<MoveState> {
    Next::Go(state.at_stage(Stage::Completed { committed, warnings: Vec::new() }), String::new())
}
