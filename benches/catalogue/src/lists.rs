//! Lists that ask for few rows out of very many.

use catalogue::{audit, tenants};
use engine::Workflow;
use engine::tables::{status_queries, workflow_table};
use store::{StoreError, Tx};
use workflows::realm_move::RealmMove;

use crate::Error;
use crate::figures::{Figures, timed};
use crate::fill::tenant;
use crate::stage::{EMPTY_REALM, REALMS, Stage};

/// A page of the API.
const PAGE: i64 = 101;

pub(crate) async fn measure(stage: &Stage, runs: usize, size: u64, figures: &mut Figures) -> Result<(), Error> {
    let (some, last) = (tenant(size / 2), last_of(stage, REALMS[0].0).await?);
    let mut times: [Vec<_>; 5] = Default::default();
    for _ in 0..runs {
        let mut tx = stage.store.read().await?;
        times[0].push(timed(audit::list(&mut tx, Some(&some), None, PAGE)).await);
        times[1].push(timed(tenants::list(&mut tx, Some(EMPTY_REALM), None, PAGE)).await);
        times[2].push(timed(tenants::list(&mut tx, Some(REALMS[0].0), Some(&last), PAGE)).await);
        times[3].push(timed(workflow_table::list(&mut tx, RealmMove::KIND, Some(&some), None, None, PAGE)).await);
        times[4].push(timed(status_queries::open(&mut tx)).await);
        tx.rollback().await?;
    }
    let [of_audit, of_empty, of_last, of_moves, of_open] = times;
    figures.median("audit list --tenant", of_audit);
    figures.median("tenants list --realm, empty realm", of_empty);
    figures.median("tenants list --realm, last page", of_last);
    figures.median("moves list --tenant", of_moves);
    figures.median("status: what is open", of_open);
    Ok(())
}

/// Where the last page of a realm's tenants begins: close to the end of all ids.
async fn last_of(stage: &Stage, realm: &str) -> Result<String, StoreError> {
    let mut tx = stage.store.read().await?;
    let last = last_id(&mut tx, realm).await;
    tx.rollback().await?;
    last
}

async fn last_id(tx: &mut Tx, realm: &str) -> Result<String, StoreError> {
    let row = store::sql("SELECT id FROM tenants WHERE realm = $1 ORDER BY id DESC LIMIT 1").bind(realm);
    row.fetch_one(tx).await?.text("id")
}
