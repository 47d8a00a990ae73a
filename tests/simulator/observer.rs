//! Looks at the catalogue's tables with SQL of its own and not through the code that it judges.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rusqlite::{Connection, OpenFlags, Row};
use serde_json::Value;
use testkit::simulator::Millis;

use crate::audit_invariants::AuditRow;
use crate::counter_invariants::{COUNTS, CountKey};
use crate::tables::KEY;

/// A tenant's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TenantRow {
    pub(crate) realm: String,
    pub(crate) status: String,
    pub(crate) epoch: i64,
    pub(crate) active_move: Option<String>,
    pub(crate) lease_until: Option<Millis>,
}

/// An entry's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EntryRow {
    pub(crate) state: String,
    pub(crate) generation: i64,
    /// Who is adding or removing.
    pub(crate) workflow: Option<String>,
}

/// A workflow's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WorkflowRow {
    pub(crate) kind: String,
    pub(crate) subject: String,
    pub(crate) state: String,
    pub(crate) fence: i64,
    pub(crate) owner: Option<String>,
    pub(crate) wake_at: Option<Millis>,
    pub(crate) lease_until: Millis,
    /// Marked as held back.
    pub(crate) paused: bool,
    /// A pause passes it by.
    pub(crate) keeps_offline: bool,
    /// The last failure, as stored.
    pub(crate) error: Option<String>,
    /// The code of the error with which it failed, if it did.
    pub(crate) failed_with: Option<String>,
}

/// A task's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TaskRow {
    pub(crate) workflow: String,
    pub(crate) status: String,
    pub(crate) checkpoint: Option<String>,
    pub(crate) fence: i64,
    pub(crate) owner: Option<String>,
    pub(crate) wake_at: Option<Millis>,
    pub(crate) lease_until: Millis,
}

/// (tenant, service, region).
pub(crate) type EntryKey = (String, String, String);

/// What the catalogue held at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) tenants: BTreeMap<String, TenantRow>,
    pub(crate) ledger_entries: BTreeMap<EntryKey, EntryRow>,
    /// (tenant, service) to shard.
    pub(crate) placements: BTreeMap<(String, String), String>,
    pub(crate) workflows: BTreeMap<String, WorkflowRow>,
    pub(crate) tasks: BTreeMap<String, TaskRow>,
    /// What operators hold back: scope to since when.
    pub(crate) pauses: BTreeMap<String, Millis>,
    /// What the catalogue has counted by itself.
    pub(crate) counts: BTreeMap<CountKey, i64>,
    /// The entries of the audit trail since the look before this one, in their order.
    pub(crate) audited: Vec<AuditRow>,
}

impl Snapshot {
    /// When the earliest workflow or task can be claimed.
    pub(crate) fn due_at(&self) -> Option<Millis> {
        let running = self.workflows.values().filter(|row| !self.is_held(row));
        let workflows = running.filter_map(|row| Some(row.wake_at?.max(row.lease_until)));
        let of_running = |task: &&TaskRow| self.workflows.get(&task.workflow).is_some_and(|row| !self.is_held(row));
        let tasks = self.tasks.values().filter(of_running).filter_map(|row| Some(row.wake_at?.max(row.lease_until)));
        workflows.chain(tasks).min()
    }

    /// Whether an operator holds the workflow back.
    fn is_held(&self, row: &WorkflowRow) -> bool {
        let by_scope = !self.pauses.is_empty()
            && (self.pauses.contains_key("all") || self.pauses.contains_key(&format!("tenant:{}", row.subject)));
        row.paused || (by_scope && !row.keeps_offline)
    }

    /// Whether anything is held back, or marked so: then somebody has to look that pauses and marks agree.
    pub(crate) fn any_held(&self) -> bool {
        !self.pauses.is_empty() || self.workflows.values().any(|row| row.paused)
    }

    /// Whether nothing is under way but removals that wait.
    pub(crate) fn only_removals_wait(&self) -> bool {
        let mut open = self.workflows.values().filter(|row| row.wake_at.is_some());
        self.tasks.is_empty() && open.all(|row| row.kind == "removal" && row.state == "waiting")
    }

    /// When the earliest offline lease lapses.
    pub(crate) fn lapses_at(&self) -> Option<Millis> {
        self.tenants.values().filter(|tenant| tenant.status == "moving").filter_map(|tenant| tenant.lease_until).min()
    }

    /// Whether an entry is in this state.
    pub(crate) fn is_entry(&self, tenant: &str, service: &str, region: &str, state: &str) -> bool {
        let key = (tenant.to_owned(), service.to_owned(), region.to_owned());
        self.ledger_entries.get(&key).map_or("absent", |ledger_entry| &ledger_entry.state) == state
    }
}

/// Reads the catalogue's file.
pub(crate) struct Observer {
    connection: Connection,
    /// The row of the last entry of the audit trail that was seen.
    audited: Cell<i64>,
}

/// The region that a location's key names.
pub(crate) fn region_of(location: &str) -> &str {
    location.split('|').nth(1).and_then(|aws| aws.strip_prefix("aws:")).unwrap_or_default()
}

impl Observer {
    pub(crate) fn new(file: &Path) -> Self {
        let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY);
        Self { connection: connection.expect("the catalogue's file can be opened"), audited: Cell::new(0) }
    }

    /// What the catalogue holds now.
    pub(crate) fn look(&self) -> Snapshot {
        Snapshot {
            tenants: self.rows("SELECT id, realm, status, epoch, active_move, lease_until FROM tenants", |row| {
                let tenant = TenantRow {
                    realm: row.get(1)?,
                    status: row.get(2)?,
                    epoch: row.get(3)?,
                    active_move: row.get(4)?,
                    lease_until: row.get(5)?,
                };
                Ok((row.get(0)?, tenant))
            }),
            ledger_entries: self.rows("SELECT tenant, service, location, state, generation, workflow FROM ledger", |row| {
                let location: String = row.get(2)?;
                let key = (row.get(0)?, row.get(1)?, region_of(&location).to_owned());
                Ok((key, EntryRow { state: row.get(3)?, generation: row.get(4)?, workflow: row.get(5)? }))
            }),
            placements: self.rows("SELECT tenant, service, shard FROM placements", |row| {
                Ok(((row.get(0)?, row.get(1)?), row.get(2)?))
            }),
            workflows: self.rows(
                "SELECT id, kind, subject, state, fence, lease_owner, wake_at, lease_until, paused, keeps_offline, error, \
                 json_extract(data, '$.stage.error.code') FROM workflows",
                |row| {
                    let workflow = WorkflowRow {
                        kind: row.get(1)?,
                        subject: row.get(2)?,
                        state: row.get(3)?,
                        fence: row.get(4)?,
                        owner: row.get(5)?,
                        wake_at: row.get(6)?,
                        lease_until: row.get(7)?,
                        paused: row.get::<_, i64>(8)? != 0,
                        keeps_offline: row.get::<_, i64>(9)? != 0,
                        error: row.get(10)?,
                        failed_with: row.get(11)?,
                    };
                    Ok((row.get(0)?, workflow))
                },
            ),
            tasks: self.rows(
                "SELECT id, workflow_id, status, checkpoint, fence, lease_owner, wake_at, lease_until FROM tasks",
                |row| {
                    let task = TaskRow {
                        workflow: row.get(1)?,
                        status: row.get(2)?,
                        checkpoint: row.get(3)?,
                        fence: row.get(4)?,
                        owner: row.get(5)?,
                        wake_at: row.get(6)?,
                        lease_until: row.get(7)?,
                    };
                    Ok((row.get(0)?, task))
                },
            ),
            pauses: self.rows("SELECT scope, at FROM pauses", |row| Ok((row.get(0)?, row.get(1)?))),
            counts: COUNTS.iter().flat_map(|(what, sql)| self.counts(what, sql)).collect(),
            audited: self.audited(),
        }
    }

    /// Cells are told by their region, as everywhere here.
    fn counts(&self, what: &'static str, sql: &str) -> BTreeMap<CountKey, i64> {
        self.rows(sql, |row| {
            let at: String = row.get(1)?;
            let at = if what == "site" { region_of(&at).to_owned() } else { at };
            Ok(((what, row.get(0)?, at), row.get(2)?))
        })
    }

    /// Whether it is kept what a removal's location held, item by item, and none of it has been shown as late: an item that was
    /// itself taken for a late write is no longer missed when it goes.
    pub(crate) fn knows_items(&self, removal: &str) -> bool {
        let sql = "SELECT coalesce(sum(name = 'verified'), 0) > 0 AND coalesce(sum(name = 'not accepted'), 0) = 0 \
                   FROM fingerprints WHERE workflow_id = ?1";
        let known = self.connection.query_row(sql, [removal], |row| row.get::<_, bool>(0));
        known.expect("the catalogue can be read")
    }

    /// The keys that a removal shows as written late.
    pub(crate) fn shown(&self, removal: &str) -> BTreeSet<String> {
        let mut statement = self.connection.prepare_cached("SELECT key FROM late_writes WHERE workflow_id = ?1");
        let statement = statement.as_mut().expect("the observer's statements fit the schema");
        let keys = statement.query_map([removal], |row| row.get::<_, String>(0)).expect("the catalogue can be read");
        let key_of = |key: rusqlite::Result<String>| {
            let key: Value = serde_json::from_str(&key.expect("a key is text")).expect("a key is JSON");
            key[KEY]["S"].as_str().expect("keys of simulated tables are text").to_owned()
        };
        keys.map(key_of).collect()
    }

    /// Whom a workflow is about, and its state as stored.
    pub(crate) fn workflow(&self, id: &str) -> (String, String) {
        let found = self
            .connection
            .query_row("SELECT subject, data FROM workflows WHERE id = ?1", [id], |row| Ok((row.get(0)?, row.get(1)?)));
        found.expect("the catalogue can be read")
    }

    /// Entries are never changed or deleted, so that each is read once.
    fn audited(&self) -> Vec<AuditRow> {
        let sql = format!(
            "SELECT rowid, action, tenant, why, before, after FROM audit WHERE rowid > {} ORDER BY rowid",
            self.audited.get()
        );
        let rows: BTreeMap<i64, AuditRow> = self.rows(&sql, |row| {
            let entry = AuditRow {
                action: row.get(1)?,
                tenant: row.get(2)?,
                why: row.get(3)?,
                before: row.get(4)?,
                after: row.get(5)?,
            };
            Ok((row.get(0)?, entry))
        });
        self.audited.set(rows.keys().next_back().copied().unwrap_or(self.audited.get()));
        rows.into_values().collect()
    }

    fn rows<K: Ord, V>(&self, sql: &str, read: impl Fn(&Row<'_>) -> rusqlite::Result<(K, V)>) -> BTreeMap<K, V> {
        let mut statement = self.connection.prepare_cached(sql).expect("the observer's statements fit the schema");
        let rows = statement.query_map([], |row| read(row)).expect("the catalogue can be read");
        rows.collect::<rusqlite::Result<_>>().expect("rows have the expected types")
    }
}
