//! Whether this version can go on with everything that a store holds: each open workflow, each failed removal that may be
//! replayed, each task. Reads only, and only columns that every version of the schema has.

use engine::tables::status_queries;
use engine::tables::status_queries::Stored;
use engine::{Registry, Workflow};
use serde::{Deserialize, Serialize};
use store::{SchemaVersions, Store, StoreError};

use crate::removal::Removal;

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpgradeCheck {
    /// How the store's schema compares with this version's.
    pub schema: SchemaCheck,
    /// Open workflows and failed removals read.
    pub workflows: u64,
    /// Tasks read.
    pub tasks: u64,
    /// What this version could not continue.
    pub unreadable: Vec<Unreadable>,
}

/// How a schema compares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SchemaCheck {
    /// The store's version.
    pub stored: i64,
    /// This program's.
    pub known: i64,
    /// Migrations that starting this version would apply.
    pub would_apply: Vec<i64>,
    /// Migrations of a newer version: this one refuses to start.
    pub newer: Vec<i64>,
}

/// A workflow or task that this version could not continue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unreadable {
    /// `workflow` or `task`.
    pub what: String,
    /// Its id.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// The tenant; of a task, the workflow.
    pub of: String,
    /// Its state; of a task, its status.
    pub state: String,
    /// Why.
    pub why: String,
}

impl UpgradeCheck {
    /// Whether this version can take over.
    pub fn passes(&self) -> bool {
        self.unreadable.is_empty() && self.schema.newer.is_empty()
    }
}

/// Checks a store that was opened to be looked at.
pub async fn check_upgrade(store: &Store, registry: &Registry) -> Result<UpgradeCheck, StoreError> {
    let mut tx = store.read().await?;
    let versions = SchemaVersions::of(&mut tx).await?;
    let schema = SchemaCheck {
        stored: versions.applied.last().copied().unwrap_or_default(),
        known: versions.known.last().copied().unwrap_or_default(),
        would_apply: versions.missing(),
        newer: versions.unknown(),
    };
    let mut check = UpgradeCheck { schema, workflows: 0, tasks: 0, unreadable: Vec::new() };
    let mut after = String::new();
    loop {
        let batch = status_queries::to_be_continued(&mut tx, Removal::KIND, &after).await?;
        let Some(last) = batch.last() else { break };
        after.clone_from(&last.id);
        check.workflows += batch.len() as u64;
        check.unreadable.extend(batch.into_iter().filter_map(|row| {
            let why = registry.unreadable_state(&row.kind, &row.data)?;
            Some(unreadable("workflow", row, why))
        }));
    }
    after.clear();
    loop {
        let batch = status_queries::tasks_after(&mut tx, &after).await?;
        let Some(last) = batch.last() else { break };
        after.clone_from(&last.id);
        check.tasks += batch.len() as u64;
        check.unreadable.extend(batch.into_iter().filter_map(|row| {
            let why = registry.unreadable_task(&row.kind, &row.data)?;
            Some(unreadable("task", row, why))
        }));
    }
    tx.rollback().await?;
    Ok(check)
}

fn unreadable(what: &str, row: Stored, why: String) -> Unreadable {
    let Stored { id, kind, of, state, .. } = row;
    Unreadable { what: what.to_owned(), id, kind, of, state, why }
}
