//! Does claiming stay as cheap with a long past? Pages that one claim touches, with no finished workflow and with very many.

use serde::Serialize;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Row};

use crate::database::Database;
use crate::{Error, source};

/// Pages (8 KiB) that a claim of one workflow hits or reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimPages {
    /// Finished workflows in the table.
    pub finished: u64,
    /// Pages with none.
    pub pages_without: u64,
    /// Pages with that many.
    pub pages_with: u64,
}

/// Workflows that are due while it is measured.
const DUE: usize = 10;

/// `None` on SQLite, which does not tell.
pub(crate) async fn measure(
    database: &Database,
    finished: u64,
    say: &impl Fn(&str),
) -> Result<Option<ClaimPages>, Error> {
    let Some(mut connection) = database.connect().await? else { return Ok(None) };
    database.clear().await?;
    source::insert(&database.store, DUE).await?;
    tidy(&mut connection).await?;
    let pages_without = claim_pages(&mut connection).await?;
    say(&format!("postgres: {finished} finished workflows are made"));
    fill(&mut connection, finished).await?;
    tidy(&mut connection).await?;
    let pages_with = claim_pages(&mut connection).await?;
    connection.close().await?;
    Ok(Some(ClaimPages { finished, pages_without, pages_with }))
}

/// Vacuums, and has the planner use the same plan for a table of one page as for a large one.
async fn tidy(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::query("VACUUM ANALYZE workflows").execute(&mut *connection).await?;
    sqlx::query("SET enable_seqscan = off").execute(connection).await?;
    Ok(())
}

/// Finished workflows with ids older than any other.
async fn fill(connection: &mut PgConnection, finished: u64) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO workflows (id, kind, subject, request, state, data, steps, created_at, updated_at, finished_at, ended_as) \
         SELECT '00000000-' || n, 'bench_five_steps', 'tenant-' || (n % 1000), '', 'done', repeat('p', 200), 5, n, n, n, 'done' \
         FROM generate_series(1, $1) AS n",
    )
    .bind(i64::try_from(finished).unwrap_or(i64::MAX))
    .execute(connection)
    .await?;
    Ok(())
}

/// Explains a claim, and undoes it. The second of two counts: the first also reads the catalogue of tables.
async fn claim_pages(connection: &mut PgConnection) -> Result<u64, Error> {
    let claim = engine::tables::workflow_table::CLAIM.replace("{skip_locked}", "FOR UPDATE SKIP LOCKED");
    let explain = format!("EXPLAIN (ANALYZE, BUFFERS) {claim}");
    let mut pages = 0;
    for _ in 0..2 {
        let mut tx = connection.begin().await?;
        let plan = sqlx::query(AssertSqlSafe(explain.clone()))
            .bind(i64::MAX / 2)
            .bind(1_i64)
            .bind(1_i64)
            .bind("bench")
            .bind(i64::MAX / 2)
            .fetch_all(&mut *tx)
            .await?;
        tx.rollback().await?;
        // The first line about buffers is that of the whole statement.
        let lines: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
        pages = lines.iter().find(|line| line.contains("Buffers: shared")).map_or(0, |line| pages_of(line));
    }
    Ok(pages)
}

/// `Buffers: shared hit=11 read=2 dirtied=1`: 13.
fn pages_of(line: &str) -> u64 {
    let words = line.split_whitespace();
    words
        .filter_map(|word| word.strip_prefix("hit=").or(word.strip_prefix("read=")))
        .filter_map(|n| n.parse::<u64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    #[test]
    fn pages_hit_and_pages_read_are_added() {
        assert_eq!(super::pages_of("  Buffers: shared hit=11 read=2 dirtied=1"), 13);
    }
}
