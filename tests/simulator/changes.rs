//! What a commit has changed in the catalogue: noted in the trace, and judged.

use store::Clock;

use crate::hooks::LANES;
use crate::invariants::{Actor, Broken};
use crate::observer::Snapshot;
use crate::world::World;

impl World {
    /// Looks at what a commit has changed, notes it and judges it.
    pub(crate) fn look(&mut self, lane: usize) -> Result<(), Broken> {
        let next = self.observer.look();
        self.note_changes(lane, &next);
        let process = &self.processes[lane / LANES];
        // What has just been committed may have looked at the database's clock before that was set.
        let (before, set_at) = self.database_was;
        let later = process.clock.ahead().max(0) - before.max(0);
        let late = if self.now - set_at <= self.lease() { later.max(0) } else { 0 };
        let actor = Actor { owner: &process.owner, now: process.clock.now() - late };
        self.invariants.now = self.seconds();
        self.invariants.change(next, actor, &self.tables)
    }

    fn note_changes(&mut self, lane: usize, next: &Snapshot) {
        let mut lines = Vec::new();
        for (id, row) in &next.workflows {
            let before = self.invariants.seen.workflows.get(id).map_or("nothing", |before| &before.state);
            if before != row.state {
                lines.push(format!("{} {id} of {}: {before} -> {}", row.kind, row.subject, row.state));
            }
        }
        for (id, row) in &next.tenants {
            let before = self.invariants.seen.tenants.get(id);
            if before.is_none_or(|before| before.epoch != row.epoch) {
                lines.push(format!("{id} is {} in {} at epoch {}", row.status, row.realm, row.epoch));
            }
        }
        for (key, row) in &next.ledger_entries {
            let before = self.invariants.seen.ledger_entries.get(key).map_or("nothing", |before| &before.state);
            if before != row.state {
                lines.push(format!("entry of {}, {} in {}: {before} -> {}", key.0, key.1, key.2, row.state));
            }
        }
        for (id, row) in &next.tasks {
            let before = self.invariants.seen.tasks.get(id);
            if before.is_none_or(|before| before.status != row.status || before.owner != row.owner) {
                lines.push(format!("task {id} of {} is {}, held by {:?}", row.workflow, row.status, row.owner));
            }
        }
        let who = self.name_of(lane);
        for line in lines {
            self.note(&who, &line);
        }
    }
}
