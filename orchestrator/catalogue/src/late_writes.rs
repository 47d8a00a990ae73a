//! Which items were written to a location after a move had left it: kept until the removal goes on, and no longer, for keys are tenants'
//! data.

use store::{Row, Rows, StoreError, Tx, sql};

/// One item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateWrite {
    /// In which part of the location.
    pub part: i64,
    /// Its number in the part.
    pub number: i64,
    /// In what way.
    pub kind: String,
    /// Its key, as JSON.
    pub key: String,
    /// Whether it is known that it was written late.
    pub certain: bool,
}

/// Adds some of one part's.
pub async fn add(tx: &mut Tx, removal: &str, part: u32, more: &[LateWrite]) -> Result<(), StoreError> {
    if more.is_empty() {
        return Ok(());
    }
    sql("INSERT INTO late_writes (workflow_id, part, number, kind, key, certain) \
         SELECT $1, $2, number, kind, key, certain FROM {rows}")
    .bind(removal)
    .bind(i64::from(part))
    .rows(
        Rows::default()
            .ints("number", more.iter().map(|one| one.number))
            .texts("kind", more.iter().map(|one| one.kind.clone()))
            .texts("key", more.iter().map(|one| one.key.clone()))
            .ints("certain", more.iter().map(|one| i64::from(one.certain))),
    )
    .execute(tx)
    .await
    .map(drop)
}

/// The number of a part's next one.
pub async fn next(tx: &mut Tx, removal: &str, part: u32) -> Result<i64, StoreError> {
    let last = sql("SELECT number FROM late_writes WHERE workflow_id = $1 AND part = $2 ORDER BY number DESC LIMIT 1")
        .bind(removal)
        .bind(i64::from(part))
        .fetch_optional(tx)
        .await?;
    last.map_or(Ok(0), |row| Ok(row.int("number")? + 1))
}

/// In the order of parts and numbers, after the one given.
pub async fn after(
    tx: &mut Tx,
    removal: &str,
    (part, number): (i64, i64),
    limit: i64,
) -> Result<Vec<LateWrite>, StoreError> {
    let rows = sql("SELECT part, number, kind, key, certain FROM late_writes \
                    WHERE workflow_id = $1 AND (part, number) > ($2, $3) \
                    ORDER BY part, number LIMIT $4")
    .bind(removal)
    .bind(part)
    .bind(number)
    .bind(limit)
    .fetch_all(tx)
    .await?;
    rows.iter().map(late_write).collect()
}

/// The first of one kind.
pub async fn first(tx: &mut Tx, removal: &str, kind: &str, limit: i64) -> Result<Vec<LateWrite>, StoreError> {
    let rows = sql("SELECT part, number, kind, key, certain FROM late_writes WHERE workflow_id = $1 AND kind = $2 \
                    ORDER BY part, number LIMIT $3")
    .bind(removal)
    .bind(kind)
    .bind(limit)
    .fetch_all(tx)
    .await?;
    rows.iter().map(late_write).collect()
}

/// Erases one part's.
pub async fn erase_part(tx: &mut Tx, removal: &str, part: u32) -> Result<(), StoreError> {
    sql("DELETE FROM late_writes WHERE workflow_id = $1 AND part = $2")
        .bind(removal)
        .bind(i64::from(part))
        .execute(tx)
        .await
        .map(drop)
}

/// Erases all of a removal's.
pub async fn erase_all(tx: &mut Tx, removal: &str) -> Result<(), StoreError> {
    sql("DELETE FROM late_writes WHERE workflow_id = $1").bind(removal).execute(tx).await.map(drop)
}

fn late_write(row: &Row) -> Result<LateWrite, StoreError> {
    Ok(LateWrite {
        part: row.int("part")?,
        number: row.int("number")?,
        kind: row.text("kind")?,
        key: row.text("key")?,
        certain: row.int("certain")? != 0,
    })
}
