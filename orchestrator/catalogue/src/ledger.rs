//! The ledger: one entry per (tenant, service, location), saying whether data of the tenant may be there.
//!
//! `absent -> adding -> live -> removing -> absent`, `adding -> removing` on rollback, and `absent -> removing` when data turns
//! up after the removal. An entry is written before the first byte, so whatever crashes, the entry tells what to clean. Each
//! function is one arrow; an entry that is not in the arrow's first state is not touched, and the answer says so. Every arrow is
//! audited in its own transaction: `change` is the only way to one.

use serde_json::{Value, json};
use store::{Millis, Row, StoreError, Tx, sql};

use crate::audit::{self, AuditEntry};
use crate::location::Location;

/// An entry.
#[derive(Debug, Clone, PartialEq)]
pub struct LedgerEntry {
    /// The tenant.
    pub tenant: String,
    /// The service.
    pub service: String,
    /// The place, as it was when the entry last became `adding`.
    pub location: Location,
    /// Whether data may be there.
    pub state: EntryState,
    /// Grows each time the entry goes from absent to adding: work for an earlier generation is void.
    pub generation: i64,
    /// Who is adding or removing.
    pub workflow: Option<String>,
}

/// Whether data of the tenant may be at the location.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryState {
    /// None.
    Absent,
    /// A move is adding it.
    Adding,
    /// It lives there.
    Live,
    /// A removal is taking it away.
    Removing,
}

impl EntryState {
    /// The stored and shown name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Adding => "adding",
            Self::Live => "live",
            Self::Removing => "removing",
        }
    }
}

impl TryFrom<String> for EntryState {
    type Error = StoreError;

    fn try_from(name: String) -> Result<Self, StoreError> {
        [Self::Absent, Self::Adding, Self::Live, Self::Removing]
            .into_iter()
            .find(|state| state.as_str() == name)
            .ok_or_else(|| StoreError::Corrupt(format!("entry state {name}")))
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT tenant, service, place, state, generation, workflow FROM ledger ", $rest)
    };
}

/// All entries of a tenant, also absent ones; per service the primary first.
pub async fn of_tenant(tx: &mut Tx, tenant: &str) -> Result<Vec<LedgerEntry>, StoreError> {
    let rows =
        sql(select!("WHERE tenant = $1 ORDER BY service, position, location")).bind(tenant).fetch_all(tx).await?;
    rows.iter().map(LedgerEntry::try_from).collect()
}

/// One entry by the key of its location.
pub async fn get(tx: &mut Tx, tenant: &str, service: &str, key: &str) -> Result<Option<LedgerEntry>, StoreError> {
    let row = sql(select!("WHERE tenant = $1 AND service = $2 AND location = $3"))
        .bind(tenant)
        .bind(service)
        .bind(key)
        .fetch_optional(tx)
        .await?;
    row.as_ref().map(LedgerEntry::try_from).transpose()
}

/// What of an entry is known without reading its place, which another version of realmctl may have written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// The service.
    pub service: String,
    /// The key of the location.
    pub key: String,
    /// Grows each time the entry goes from absent to adding.
    pub generation: i64,
    /// The place, as it is stored.
    pub place: String,
}

macro_rules! select_stored {
    ($rest:literal) => {
        concat!("SELECT service, location, generation, place FROM ledger ", $rest)
    };
}

/// The entries that the workflow is adding, by their keys alone.
pub async fn being_added_by(tx: &mut Tx, tenant: &str, workflow: &str) -> Result<Vec<StoredEntry>, StoreError> {
    let rows = sql(select_stored!(
        "WHERE tenant = $1 AND workflow = $2 AND state = 'adding' ORDER BY service, position, location"
    ))
    .bind(tenant)
    .bind(workflow)
    .fetch_all(tx)
    .await?;
    rows.iter().map(StoredEntry::try_from).collect()
}

/// One entry by the key of its location, with its place as it is stored.
pub async fn get_stored(
    tx: &mut Tx,
    tenant: &str,
    service: &str,
    key: &str,
) -> Result<Option<StoredEntry>, StoreError> {
    let row = sql(select_stored!("WHERE tenant = $1 AND service = $2 AND location = $3"))
        .bind(tenant)
        .bind(service)
        .bind(key)
        .fetch_optional(tx)
        .await?;
    row.as_ref().map(StoredEntry::try_from).transpose()
}

/// Where data may be, for any tenant: a service, a location with `{tenant}` in the place of the id, and how many entries there are not absent.
pub async fn sites_in_use(tx: &mut Tx) -> Result<Vec<(String, Location, u64)>, StoreError> {
    let rows = sql("SELECT service, site, place, entries FROM site_sizes WHERE entries > 0 ORDER BY service, site");
    let rows = rows.fetch_all(tx).await?;
    rows.iter()
        .map(|row| {
            let location = place_in(row)?.at_site(&row.text("site")?);
            Ok((row.text("service")?, location, row.int("entries")?.unsigned_abs()))
        })
        .collect()
}

/// Who changes an entry, and why: each change writes an entry of the audit trail with it. Holds no key of the tenant's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedBy {
    /// The id of the audit entry.
    pub entry: String,
    /// Who asked for it.
    pub who: String,
    /// Why: the reason given, or the code of what made realmctl do it. Never the words of an error, which may quote keys.
    pub why: String,
    /// From where it was asked for; empty for what realmctl does by itself.
    pub origin: String,
    /// The workflow that does it.
    pub workflow: Option<String>,
}

/// `absent -> adding`, with a new generation and the place as it is now. `None`: the entry is not absent.
pub async fn begin_adding(
    tx: &mut Tx,
    tenant: &str,
    service: &str,
    location: &Location,
    (workflow, by): (Option<&str>, ChangedBy),
) -> Result<Option<i64>, StoreError> {
    let key = location.key();
    let arrow = Arrow { workflow, ..Arrow::new(tenant, service, &key, (EntryState::Absent, EntryState::Adding)) };
    change(tx, &Arrow { place: Some(location), ..arrow }, by).await
}

/// `adding -> live` for the workflow that was adding. `false`: the entry is not in that state.
pub async fn become_live(
    tx: &mut Tx,
    tenant: &str,
    service: &str,
    key: &str,
    (workflow, by): (Option<&str>, ChangedBy),
) -> Result<bool, StoreError> {
    let arrow = Arrow::new(tenant, service, key, (EntryState::Adding, EntryState::Live));
    Ok(change(tx, &Arrow { held_by: workflow, ..arrow }, by).await?.is_some())
}

/// `from -> removing`, by the removal `workflow`; returns the generation. `from` is `Live` after a commit and `Adding` on
/// rollback. `None`: the entry is not in that state.
pub async fn begin_removing(
    tx: &mut Tx,
    tenant: &str,
    service: &str,
    key: &str,
    from: EntryState,
    (workflow, by): (&str, ChangedBy),
) -> Result<Option<i64>, StoreError> {
    let arrow = Arrow::new(tenant, service, key, (from, EntryState::Removing));
    change(tx, &Arrow { workflow: Some(workflow), ..arrow }, by).await
}

/// `removing -> absent` at this generation, once the location is proved empty. `false`: the entry is not in that state.
pub async fn become_absent(
    tx: &mut Tx,
    tenant: &str,
    service: &str,
    key: &str,
    (generation, by): (i64, ChangedBy),
) -> Result<bool, StoreError> {
    let arrow = Arrow::new(tenant, service, key, (EntryState::Removing, EntryState::Absent));
    Ok(change(tx, &Arrow { generation: Some(generation), ..arrow }, by).await?.is_some())
}

/// `absent -> removing` at this generation, by the removal `workflow`: data has turned up where there was none. `false`: the
/// entry is not absent, or a move has filled and left it since.
pub async fn reopen_removing(
    tx: &mut Tx,
    tenant: &str,
    service: &str,
    key: &str,
    generation: i64,
    (workflow, by): (&str, ChangedBy),
) -> Result<bool, StoreError> {
    let arrow = Arrow::new(tenant, service, key, (EntryState::Absent, EntryState::Removing));
    let arrow = Arrow { generation: Some(generation), workflow: Some(workflow), ..arrow };
    Ok(change(tx, &arrow, by).await?.is_some())
}

/// One change of one entry.
struct Arrow<'a> {
    tenant: &'a str,
    service: &'a str,
    key: &'a str,
    from: EntryState,
    to: EntryState,
    /// Only at this generation.
    generation: Option<i64>,
    /// Only while this workflow is adding.
    held_by: Option<&'a str>,
    /// Who adds or removes from now on.
    workflow: Option<&'a str>,
    /// The place as it is now; with it the entry is made if need be, and begins a new generation.
    place: Option<&'a Location>,
}

impl<'a> Arrow<'a> {
    fn new(tenant: &'a str, service: &'a str, key: &'a str, (from, to): (EntryState, EntryState)) -> Self {
        Self { tenant, service, key, from, to, generation: None, held_by: None, workflow: None, place: None }
    }
}

/// The only way to change an entry's state: no entry changes without an entry in the audit trail. Returns the generation;
/// `None`: the entry is not as the arrow wants it.
async fn change(tx: &mut Tx, arrow: &Arrow<'_>, by: ChangedBy) -> Result<Option<i64>, StoreError> {
    let now = tx.now().await?;
    let changed = match arrow.place {
        Some(place) => make_or_refill(tx, arrow, place, now).await?,
        None => update(tx, arrow, now).await?,
    };
    let Some(row) = changed else { return Ok(None) };
    let (generation, name) = (row.int("generation")?, name_in(&row.text("place")?));
    let began = i64::from(arrow.place.is_some());
    let ledger_entry = |state: EntryState, generation: i64| {
        json!({ "service": arrow.service, "location": name, "locationKey": arrow.key, "state": state.as_str(),
                "generation": generation })
    };
    let mut after = ledger_entry(arrow.to, generation);
    after["workflow"] = by.workflow.into();
    let entry = AuditEntry {
        id: by.entry,
        at: now,
        who: by.who,
        origin: by.origin,
        action: format!("ledger.{}", arrow.to.as_str()),
        tenant: Some(arrow.tenant.to_owned()),
        why: by.why,
        before: ledger_entry(arrow.from, generation - began),
        after,
    };
    audit::append(tx, &entry).await?;
    Ok(Some(generation))
}

async fn make_or_refill(
    tx: &mut Tx,
    arrow: &Arrow<'_>,
    place: &Location,
    now: Millis,
) -> Result<Option<Row>, StoreError> {
    sql("INSERT INTO ledger (tenant, service, location, place, state, generation, position, workflow, updated_at) \
         VALUES ($1, $2, $3, $4, $5, 1, 0, $6, $7) \
         ON CONFLICT (tenant, service, location) DO UPDATE SET place = excluded.place, state = excluded.state, \
         generation = ledger.generation + 1, workflow = excluded.workflow, updated_at = excluded.updated_at \
         WHERE ledger.state = $8 RETURNING generation, place")
    .bind(arrow.tenant)
    .bind(arrow.service)
    .bind(arrow.key)
    .bind(place_json(place))
    .bind(arrow.to.as_str())
    .bind(arrow.workflow)
    .bind(now)
    .bind(arrow.from.as_str())
    .fetch_optional(tx)
    .await
}

async fn update(tx: &mut Tx, arrow: &Arrow<'_>, now: Millis) -> Result<Option<Row>, StoreError> {
    sql("UPDATE ledger SET state = $5, workflow = $6, updated_at = $7 WHERE tenant = $1 AND service = $2 AND \
         location = $3 AND state = $4 AND (generation = $8 OR $8 IS NULL) AND (workflow = $9 OR $9 IS NULL) \
         RETURNING generation, place")
    .bind(arrow.tenant)
    .bind(arrow.service)
    .bind(arrow.key)
    .bind(arrow.from.as_str())
    .bind(arrow.to.as_str())
    .bind(arrow.workflow)
    .bind(now)
    .bind(arrow.generation)
    .bind(arrow.held_by)
    .fetch_optional(tx)
    .await
}

/// The name of a stored place; another version's place that can't be read has none here, and that stops nobody.
fn name_in(place: &str) -> Option<String> {
    let place: Value = serde_json::from_str(place).ok()?;
    place.get("name").and_then(Value::as_str).map(str::to_owned)
}

/// Orders the live entries of a placement: position 0 is the primary. `false`: the entry is not live.
pub async fn set_position(
    tx: &mut Tx,
    tenant: &str,
    service: &str,
    key: &str,
    position: i64,
) -> Result<bool, StoreError> {
    let changed =
        sql("UPDATE ledger SET position = $4 WHERE tenant = $1 AND service = $2 AND location = $3 AND state = 'live'")
            .bind(tenant)
            .bind(service)
            .bind(key)
            .bind(position)
            .execute(tx)
            .await?;
    Ok(changed == 1)
}

fn place_in(row: &Row) -> Result<Location, StoreError> {
    serde_json::from_str(&row.text("place")?).map_err(|error| StoreError::Corrupt(format!("column place: {error}")))
}

fn place_json(location: &Location) -> String {
    serde_json::to_string(location).expect("a location serialises: strings, numbers and nothing else")
}

impl TryFrom<&Row> for StoredEntry {
    type Error = StoreError;

    fn try_from(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            service: row.text("service")?,
            key: row.text("location")?,
            generation: row.int("generation")?,
            place: row.text("place")?,
        })
    }
}

impl TryFrom<&Row> for LedgerEntry {
    type Error = StoreError;

    fn try_from(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            tenant: row.text("tenant")?,
            service: row.text("service")?,
            location: place_in(row)?,
            state: EntryState::try_from(row.text("state")?)?,
            generation: row.int("generation")?,
            workflow: row.opt_text("workflow")?,
        })
    }
}
