//! Judges the audit trail: in each transaction, its audit entries of a ledger entry lead from what that was to what it is, and no entry
//! holds a key of a tenant's data.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::invariants::Broken;
use crate::observer::{EntryKey, Snapshot, region_of};

/// An entry of the audit trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuditRow {
    pub(crate) action: String,
    pub(crate) tenant: Option<String>,
    pub(crate) why: String,
    pub(crate) before: String,
    pub(crate) after: String,
}

/// Judges what one transaction has changed in the ledger by what it has written to the audit trail.
pub(crate) fn judge(seen: &Snapshot, next: &Snapshot) -> Result<(), Broken> {
    let mut told: BTreeMap<EntryKey, (String, i64)> = seen
        .ledger_entries
        .iter()
        .map(|(key, ledger_entry)| (key.clone(), (ledger_entry.state.clone(), ledger_entry.generation)))
        .collect();
    for row in &next.audited {
        keeps_no_key(row, next)?;
        if row.action.starts_with("ledger.") {
            follow(&mut told, row)?;
        }
    }
    for (key, ledger_entry) in &next.ledger_entries {
        let is = (ledger_entry.state.clone(), ledger_entry.generation);
        if told.get(key) != Some(&is) {
            let told = told.get(key);
            return Err(format!("audit: the entry {key:?} is {is:?}, and the audit trail tells of {told:?}"));
        }
    }
    Ok(())
}

/// The audit entry begins where the ledger entry was left, and the ledger entry goes where it says.
fn follow(told: &mut BTreeMap<EntryKey, (String, i64)>, row: &AuditRow) -> Result<(), Broken> {
    let read = |text: &str| serde_json::from_str::<Value>(text).map_err(|error| format!("audit: {row:?}: {error}"));
    let (before, after) = (read(&row.before)?, read(&row.after)?);
    let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let stand = |value: &Value| (text(value, "state"), value["generation"].as_i64().unwrap_or(-1));
    let tenant = row.tenant.clone().unwrap_or_default();
    let key = (tenant, text(&after, "service"), region_of(&text(&after, "locationKey")).to_owned());
    let was = told.insert(key.clone(), stand(&after)).unwrap_or_else(|| ("absent".to_owned(), 0));
    if was != stand(&before) {
        return Err(format!("audit: the entry {key:?} was {was:?}, and its entry begins with {:?}", stand(&before)));
    }
    Ok(())
}

fn keeps_no_key(row: &AuditRow, next: &Snapshot) -> Result<(), Broken> {
    // A key of an item begins with the tenant and a slash.
    let kept = next
        .tenants
        .keys()
        .map(|tenant| format!("{tenant}/"))
        .find(|key| [&row.why, &row.before, &row.after].into_iter().any(|text| text.contains(key.as_str())));
    match kept {
        Some(_) => Err(format!("audit: an entry keeps a key of the tenant's data: {row:?}")),
        None => Ok(()),
    }
}
