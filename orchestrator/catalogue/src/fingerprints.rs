//! Fingerprints of parts of locations, kept in chunks for as long as a location is to be compared with them. What a chunk says is the
//! movers' business.

use store::{StoreError, Tx, sql};

/// The chunk into which others are put together: before all of them.
const FOLDED: i64 = -1;

/// Which fingerprint.
#[derive(Debug, Clone, Copy)]
pub struct Of<'a> {
    /// The workflow that it serves.
    pub workflow: &'a str,
    /// What it is of.
    pub name: &'a str,
    /// Which part.
    pub part: u32,
}

/// Writes a chunk of a pass, in place of whatever was written of the pass under this number and later ones.
pub async fn write(tx: &mut Tx, of: Of<'_>, pass: i64, chunk: i64, marks: &str) -> Result<(), StoreError> {
    let from = if chunk == 0 { FOLDED } else { chunk };
    sql("DELETE FROM fingerprints WHERE workflow_id = $1 AND name = $2 AND part = $3 AND pass = $4 AND chunk >= $5")
        .bind(of.workflow)
        .bind(of.name)
        .bind(i64::from(of.part))
        .bind(pass)
        .bind(from)
        .execute(tx)
        .await?;
    insert(tx, of, pass, chunk, marks).await
}

async fn insert(tx: &mut Tx, of: Of<'_>, pass: i64, chunk: i64, marks: &str) -> Result<(), StoreError> {
    sql("INSERT INTO fingerprints (workflow_id, name, part, pass, chunk, marks) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(of.workflow)
        .bind(of.name)
        .bind(i64::from(of.part))
        .bind(pass)
        .bind(chunk)
        .bind(marks)
        .execute(tx)
        .await
        .map(drop)
}

/// Puts the chunks of a pass before `upto` together as `marks`, which is what [`read`] gave of them.
pub async fn fold(tx: &mut Tx, of: Of<'_>, pass: i64, upto: i64, marks: &str) -> Result<(), StoreError> {
    sql("DELETE FROM fingerprints WHERE workflow_id = $1 AND name = $2 AND part = $3 AND pass = $4 AND chunk < $5")
        .bind(of.workflow)
        .bind(of.name)
        .bind(i64::from(of.part))
        .bind(pass)
        .bind(upto)
        .execute(tx)
        .await?;
    insert(tx, of, pass, FOLDED, marks).await
}

/// The chunks of one pass before `upto`.
pub async fn read(tx: &mut Tx, of: Of<'_>, pass: i64, upto: i64) -> Result<Vec<String>, StoreError> {
    let rows = sql("SELECT marks FROM fingerprints \
                    WHERE workflow_id = $1 AND name = $2 AND part = $3 AND pass = $4 AND chunk < $5 ORDER BY chunk")
    .bind(of.workflow)
    .bind(of.name)
    .bind(i64::from(of.part))
    .bind(pass)
    .bind(upto)
    .fetch_all(tx)
    .await?;
    rows.iter().map(|row| row.text("marks")).collect()
}

/// All chunks, of whatever pass.
pub async fn read_all(tx: &mut Tx, of: Of<'_>) -> Result<Vec<String>, StoreError> {
    let rows = sql("SELECT marks FROM fingerprints WHERE workflow_id = $1 AND name = $2 AND part = $3 \
                    ORDER BY pass, chunk")
    .bind(of.workflow)
    .bind(of.name)
    .bind(i64::from(of.part))
    .fetch_all(tx)
    .await?;
    rows.iter().map(|row| row.text("marks")).collect()
}

/// All chunks of one name in all parts.
pub async fn read_parts(tx: &mut Tx, (workflow, name): (&str, &str)) -> Result<Vec<String>, StoreError> {
    let rows = sql("SELECT marks FROM fingerprints WHERE workflow_id = $1 AND name = $2 ORDER BY part, pass, chunk")
        .bind(workflow)
        .bind(name)
        .fetch_all(tx)
        .await?;
    rows.iter().map(|row| row.text("marks")).collect()
}

/// In how many parts something is kept under one name.
pub async fn count_parts(tx: &mut Tx, (workflow, name): (&str, &str)) -> Result<i64, StoreError> {
    let row = sql("SELECT COUNT(DISTINCT part) AS n FROM fingerprints WHERE workflow_id = $1 AND name = $2")
        .bind(workflow)
        .bind(name)
        .fetch_one(tx)
        .await?;
    row.int("n")
}

/// Forgets all passes but these.
pub async fn keep_passes(tx: &mut Tx, of: Of<'_>, passes: &[i64]) -> Result<(), StoreError> {
    let rows = sql("SELECT DISTINCT pass FROM fingerprints WHERE workflow_id = $1 AND name = $2 AND part = $3")
        .bind(of.workflow)
        .bind(of.name)
        .bind(i64::from(of.part))
        .fetch_all(tx)
        .await?;
    for row in &rows {
        let pass = row.int("pass")?;
        if !passes.contains(&pass) {
            sql("DELETE FROM fingerprints WHERE workflow_id = $1 AND name = $2 AND part = $3 AND pass = $4")
                .bind(of.workflow)
                .bind(of.name)
                .bind(i64::from(of.part))
                .bind(pass)
                .execute(tx)
                .await?;
        }
    }
    Ok(())
}

/// One chunk becomes part of another fingerprint.
pub async fn move_chunk(tx: &mut Tx, from: Of<'_>, pass: i64, chunk: i64, to: &str) -> Result<(), StoreError> {
    sql("UPDATE fingerprints SET name = $6 \
         WHERE workflow_id = $1 AND name = $2 AND part = $3 AND pass = $4 AND chunk = $5")
    .bind(from.workflow)
    .bind(from.name)
    .bind(i64::from(from.part))
    .bind(pass)
    .bind(chunk)
    .bind(to)
    .execute(tx)
    .await
    .map(drop)
}

/// The fingerprints of one name, in all parts, become another workflow's or another name's.
pub async fn hand_over(tx: &mut Tx, from: (&str, &str), to: (&str, &str)) -> Result<(), StoreError> {
    sql("UPDATE fingerprints SET workflow_id = $3, name = $4 WHERE workflow_id = $1 AND name = $2")
        .bind(from.0)
        .bind(from.1)
        .bind(to.0)
        .bind(to.1)
        .execute(tx)
        .await
        .map(drop)
}

/// Erases the fingerprints of one name, in all parts.
pub async fn erase(tx: &mut Tx, workflow: &str, name: &str) -> Result<(), StoreError> {
    sql("DELETE FROM fingerprints WHERE workflow_id = $1 AND name = $2").bind(workflow).bind(name).execute(tx).await?;
    Ok(())
}

/// Erases everything of a workflow.
pub async fn erase_all(tx: &mut Tx, workflow: &str) -> Result<(), StoreError> {
    sql("DELETE FROM fingerprints WHERE workflow_id = $1").bind(workflow).execute(tx).await.map(drop)
}
