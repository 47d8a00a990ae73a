//! The ledger: one cell per (tenant, service, location), saying whether data of the tenant may be there.
//!
//! `absent -> adding -> live -> removing -> absent`, `adding -> removing` on rollback, and `absent -> removing` when data turns
//! up after the removal. A cell is written before the
//! first byte, so whatever crashes, the cell tells what to clean. Each function is one arrow; a cell that is not in the
//! arrow's first state is not touched, and the answer says so.

use store::{Row, StoreError, Tx, sql};

use crate::location::Location;

/// A cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// The tenant.
    pub tenant: String,
    /// The service.
    pub service: String,
    /// The place, as it was when the cell last became `adding`.
    pub location: Location,
    /// Whether data may be there.
    pub state: CellState,
    /// Grows each time the cell goes from absent to adding: work for an earlier generation is void.
    pub generation: i64,
    /// Who is adding or removing.
    pub workflow: Option<String>,
}

/// Whether data of the tenant may be at the location.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellState {
    /// None.
    Absent,
    /// A move is adding it.
    Adding,
    /// It lives there.
    Live,
    /// A removal is taking it away.
    Removing,
}

impl CellState {
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

impl TryFrom<String> for CellState {
    type Error = StoreError;

    fn try_from(name: String) -> Result<Self, StoreError> {
        [Self::Absent, Self::Adding, Self::Live, Self::Removing]
            .into_iter()
            .find(|state| state.as_str() == name)
            .ok_or_else(|| StoreError::Corrupt(format!("cell state {name}")))
    }
}

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT tenant, service, place, state, generation, workflow FROM cells ", $rest)
    };
}

/// All cells of a tenant, also absent ones; per service the primary first.
pub async fn of_tenant(tx: &mut Tx, tenant: &str) -> Result<Vec<Cell>, StoreError> {
    let rows =
        sql(select!("WHERE tenant = $1 ORDER BY service, position, location")).bind(tenant).fetch_all(tx).await?;
    rows.iter().map(Cell::try_from).collect()
}

/// One cell by the key of its location.
pub async fn get(tx: &mut Tx, tenant: &str, service: &str, key: &str) -> Result<Option<Cell>, StoreError> {
    let row = sql(select!("WHERE tenant = $1 AND service = $2 AND location = $3"))
        .bind(tenant)
        .bind(service)
        .bind(key)
        .fetch_optional(tx)
        .await?;
    row.as_ref().map(Cell::try_from).transpose()
}

/// Every cell that may hold data, of all tenants.
pub async fn in_use(tx: &mut Tx) -> Result<Vec<Cell>, StoreError> {
    let rows = sql(select!("WHERE state <> 'absent' ORDER BY service, location, tenant")).fetch_all(tx).await?;
    rows.iter().map(Cell::try_from).collect()
}

/// `absent -> adding`, with a new generation and the place as it is now. `None`: the cell is not absent.
pub async fn begin_adding(
    tx: &mut Tx,
    tenant: &str,
    service: &str,
    location: &Location,
    workflow: Option<&str>,
) -> Result<Option<i64>, StoreError> {
    let now = tx.now().await?;
    let row =
        sql("INSERT INTO cells (tenant, service, location, place, state, generation, position, workflow, updated_at) \
                   VALUES ($1, $2, $3, $4, 'adding', 1, 0, $5, $6) \
                   ON CONFLICT (tenant, service, location) DO UPDATE SET place = excluded.place, state = 'adding', \
                   generation = cells.generation + 1, workflow = excluded.workflow, updated_at = excluded.updated_at \
                   WHERE cells.state = 'absent' RETURNING generation")
        .bind(tenant)
        .bind(service)
        .bind(location.key())
        .bind(place_json(location))
        .bind(workflow)
        .bind(now)
        .fetch_optional(tx)
        .await?;
    row.map(|row| row.int("generation")).transpose()
}

/// `adding -> live` for the workflow that was adding. `false`: the cell is not in that state.
pub async fn become_live(
    tx: &mut Tx,
    tenant: &str,
    service: &str,
    key: &str,
    workflow: Option<&str>,
) -> Result<bool, StoreError> {
    let now = tx.now().await?;
    let changed = sql("UPDATE cells SET state = 'live', workflow = NULL, updated_at = $5 WHERE tenant = $1 AND \
                       service = $2 AND location = $3 AND state = 'adding' AND (workflow = $4 OR $4 IS NULL)")
    .bind(tenant)
    .bind(service)
    .bind(key)
    .bind(workflow)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(changed == 1)
}

/// `from -> removing`, by the removal `workflow`; returns the generation. `from` is `Live` after a commit and `Adding` on
/// rollback. `None`: the cell is not in that state.
pub async fn begin_removing(
    tx: &mut Tx,
    tenant: &str,
    service: &str,
    key: &str,
    from: CellState,
    workflow: &str,
) -> Result<Option<i64>, StoreError> {
    let now = tx.now().await?;
    let row = sql("UPDATE cells SET state = 'removing', workflow = $5, updated_at = $6 WHERE tenant = $1 AND \
                   service = $2 AND location = $3 AND state = $4 RETURNING generation")
    .bind(tenant)
    .bind(service)
    .bind(key)
    .bind(from.as_str())
    .bind(workflow)
    .bind(now)
    .fetch_optional(tx)
    .await?;
    row.map(|row| row.int("generation")).transpose()
}

/// `removing -> absent` at this generation, once the location is proved empty. `false`: the cell is not in that state.
pub async fn become_absent(
    tx: &mut Tx,
    tenant: &str,
    service: &str,
    key: &str,
    generation: i64,
) -> Result<bool, StoreError> {
    let now = tx.now().await?;
    let changed = sql("UPDATE cells SET state = 'absent', workflow = NULL, updated_at = $5 WHERE tenant = $1 AND \
                       service = $2 AND location = $3 AND generation = $4 AND state = 'removing'")
    .bind(tenant)
    .bind(service)
    .bind(key)
    .bind(generation)
    .bind(now)
    .execute(tx)
    .await?;
    Ok(changed == 1)
}

/// `absent -> removing` at this generation, by the removal `workflow`: data has turned up where there was none. `false`: the
/// cell is not absent, or a move has filled and left it since.
pub async fn reopen_removing(
    tx: &mut Tx,
    tenant: &str,
    service: &str,
    key: &str,
    generation: i64,
    workflow: &str,
) -> Result<bool, StoreError> {
    let now = tx.now().await?;
    let changed = sql("UPDATE cells SET state = 'removing', workflow = $6, updated_at = $5 WHERE tenant = $1 AND \
                       service = $2 AND location = $3 AND generation = $4 AND state = 'absent'")
    .bind(tenant)
    .bind(service)
    .bind(key)
    .bind(generation)
    .bind(now)
    .bind(workflow)
    .execute(tx)
    .await?;
    Ok(changed == 1)
}

/// Orders the live cells of a placement: position 0 is the primary. `false`: the cell is not live.
pub async fn set_position(
    tx: &mut Tx,
    tenant: &str,
    service: &str,
    key: &str,
    position: i64,
) -> Result<bool, StoreError> {
    let changed =
        sql("UPDATE cells SET position = $4 WHERE tenant = $1 AND service = $2 AND location = $3 AND state = 'live'")
            .bind(tenant)
            .bind(service)
            .bind(key)
            .bind(position)
            .execute(tx)
            .await?;
    Ok(changed == 1)
}

fn place_json(location: &Location) -> String {
    serde_json::to_string(location).expect("a location serialises: strings, numbers and nothing else")
}

impl TryFrom<&Row> for Cell {
    type Error = StoreError;

    fn try_from(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            tenant: row.text("tenant")?,
            service: row.text("service")?,
            location: serde_json::from_str(&row.text("place")?)
                .map_err(|error| StoreError::Corrupt(format!("column place: {error}")))?,
            state: CellState::try_from(row.text("state")?)?,
            generation: row.int("generation")?,
            workflow: row.opt_text("workflow")?,
        })
    }
}
