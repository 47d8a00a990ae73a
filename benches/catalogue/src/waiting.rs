//! Removals that wait for capacity: what this process spends on asking for it, and what a creation beside them takes.

use std::time::{Duration, Instant};

use engine::Runner;
use serde_json::json;
use store::sql;
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::creations::one_by_one;
use crate::figures::{Figures, Unit};
use crate::fill::{location, signed, tenant};
use crate::process::cpu_seconds;
use crate::stage::{REALMS, Stage};

/// How long it is looked at.
const LOOKED_AT: Duration = Duration::from_secs(4);
/// How long they may take to ask for the first time.
const ASKED_WITHIN: Duration = Duration::from_secs(120);
const SERVICE: &str = "issue-service";
/// Has all the room that there is.
const HOLDER: &str = "1-holder";

pub(crate) async fn measure(
    stage: &Stage,
    (runs, waiting): (usize, usize),
    figures: &mut Figures,
) -> Result<(), Error> {
    queue(stage, waiting).await?;
    let stop = CancellationToken::new();
    let runner = Runner::new(
        stage.store.clone(),
        workflows::registry(&stage.deployment),
        stage.deployment.runner_settings(),
        stage.deployment.owner.clone(),
    );
    let running = tokio::spawn({
        let stop = stop.clone();
        async move { Box::pin(runner.run(stop)).await }
    });
    let measured = beside(stage, runs, waiting, figures).await;
    stop.cancel();
    running.await.map_err(|error| Error::part(&error))?;
    measured?;
    clear(stage).await
}

async fn beside(stage: &Stage, runs: usize, waiting: usize, figures: &mut Figures) -> Result<(), Error> {
    all_asked(stage, waiting).await?;
    let (begun, before) = (Instant::now(), cpu_seconds()?);
    tokio::time::sleep(LOOKED_AT).await;
    let spent = (cpu_seconds()? - before) / begun.elapsed().as_secs_f64();
    figures.note("removals wait for capacity, this process", Unit::PercentOfCore, Some(spent * 100.0));
    figures.median("tenant created beside them", one_by_one(stage, runs).await?);
    Ok(())
}

async fn all_asked(stage: &Stage, waiting: usize) -> Result<(), Error> {
    let give_up = Instant::now() + ASKED_WITHIN;
    loop {
        let mut tx = stage.store.read().await?;
        let asked = sql("SELECT COUNT(DISTINCT workflow_id) AS asked FROM reservations").fetch_one(&mut tx).await?;
        tx.rollback().await?;
        if asked.int("asked")? > signed(waiting as u64) {
            return Ok(());
        }
        if Instant::now() > give_up {
            return Err(Error::Part("the removals have not asked for capacity".to_owned()));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Removals of the first tenants in the region where they are not, and a workflow that has all the room.
async fn queue(stage: &Stage, waiting: usize) -> Result<(), Error> {
    let mut tx = stage.store.begin().await?;
    let now = tx.now().await?;
    sql("INSERT INTO workflows (id, kind, subject, request, state, data, wake_at, created_at, updated_at) \
         VALUES ($1, 'bench', 'bench', '', 'waits', '', $2, 0, 0)")
    .bind(HOLDER)
    .bind(i64::MAX)
    .execute(&mut tx)
    .await?;
    sql("INSERT INTO reservations (workflow_id, scope, weight, asked_at, granted_at) VALUES ($1, 'overall', 10, 0, 0)")
        .bind(HOLDER)
        .execute(&mut tx)
        .await?;
    sql("INSERT INTO limits (scope, slots, at, who, why) VALUES ('overall', 10, 0, 'bench', '')")
        .execute(&mut tx)
        .await?;
    for number in 1..=waiting as u64 {
        // Odd ones are in the first realm.
        let region = REALMS[usize::from(number % 2 == 1)].1;
        let (key, place) = location(stage, SERVICE, region)?;
        let (id, tenant) = (format!("1-removal-{number}"), tenant(number));
        let place: serde_json::Value = serde_json::from_str(&place).map_err(|error| Error::part(&error))?;
        let state = json!({
            "service": SERVICE, "location": place, "generation": 1, "cause": { "kind": "moved", "move_id": "0-move-1" },
            "stage": { "name": "waiting", "until": 0 },
        });
        sql("INSERT INTO workflows (id, kind, subject, request, state, data, wake_at, priority, created_at, updated_at) \
             VALUES ($1, 'removal', $2, '', 'waiting', $3, $4, 0, $4, $4)")
        .bind(&id)
        .bind(&tenant)
        .bind(state.to_string())
        .bind(now)
        .execute(&mut tx)
        .await?;
        sql(
            "INSERT INTO ledger (tenant, service, location, place, state, generation, position, workflow, updated_at) \
             VALUES ($1, $2, $3, $4, 'removing', 1, 0, $5, $6)",
        )
        .bind(&tenant)
        .bind(SERVICE)
        .bind(key)
        .bind(place.to_string())
        .bind(&id)
        .bind(now)
        .execute(&mut tx)
        .await?;
    }
    Ok(tx.commit().await?)
}

/// As it was before.
async fn clear(stage: &Stage) -> Result<(), Error> {
    let mut tx = stage.store.begin().await?;
    for statement in [
        "DELETE FROM limits",
        "DELETE FROM reservations",
        "DELETE FROM ledger WHERE state = 'removing'",
        "DELETE FROM history WHERE workflow_id IN (SELECT id FROM workflows WHERE kind IN ('removal', 'bench'))",
        "DELETE FROM workflows WHERE kind IN ('removal', 'bench')",
    ] {
        sql(statement).execute(&mut tx).await?;
    }
    Ok(tx.commit().await?)
}
