//! Moves: started, and only planned.

use store::sql;
use workflows::dry_run::dry_run;
use workflows::realm_move::{MoveRequest, When, start_move};

use crate::Error;
use crate::figures::{Figures, timed};
use crate::fill::tenant;
use crate::stage::{REALMS, Stage, by};

/// Long enough for no move to begin meanwhile.
const LATER_MS: i64 = 24 * 60 * 60 * 1_000;

pub(crate) async fn measure(stage: &Stage, runs: usize, size: u64, figures: &mut Figures) -> Result<(), Error> {
    let mut tx = stage.store.read().await?;
    let later = tx.now().await? + LATER_MS;
    tx.rollback().await?;
    let to = REALMS[1].0;
    let mut planned = Vec::new();
    let mut started = Vec::new();
    // Odd ones are in the first realm; the last of each size have no move yet.
    let last = if size % 2 == 1 { size } else { size - 1 };
    for run in 0..runs as u64 {
        let id = tenant(last.saturating_sub(2 * run));
        let when = When { at: Some(later), window: None };
        let request = MoveRequest { tenant: id, to: to.to_owned(), when, ..MoveRequest::default() };
        planned.push(timed(dry_run(&stage.deployment, &request)).await);
        started.push(timed(start_move(&stage.deployment, &request, &by())).await);
    }
    figures.median("move planned (dry run)", planned);
    figures.median("move started", started);
    forget(stage).await
}

/// As if none had been started: an edit of the topology looks at each move that is yet to begin.
async fn forget(stage: &Stage) -> Result<(), Error> {
    let mut tx = stage.store.begin().await?;
    for statement in [
        "UPDATE tenants SET active_move = NULL WHERE active_move IS NOT NULL",
        "DELETE FROM workflows WHERE kind = 'move' AND wake_at IS NOT NULL",
    ] {
        sql(statement).execute(&mut tx).await?;
    }
    Ok(tx.commit().await?)
}
