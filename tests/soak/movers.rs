//! People: one for each tenant who moves it back and forth and sometimes cancels, and one on call who replays failed removals.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::api::Request;
use crate::random::Random;
use crate::stage::Stage;

/// How often a move is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// One move in so many is cancelled.
const CANCELLED: usize = 6;

/// Moves the tenant until there is enough; returns the realm that it should be in.
pub(crate) async fn move_back_and_forth(stage: Arc<Stage>, tenant: String, mut random: Random) -> String {
    let mut at = "us";
    let mut number = 0;
    while !stage.enough.is_cancelled() {
        let to = if at == "us" { "eu" } else { "us" };
        number += 1;
        let cancel_after = (random.below(CANCELLED) == 0).then(|| random.between(0, 5_000));
        match one_move(&stage, &tenant, to, number, cancel_after).await {
            Some(state) => {
                stage.count(&format!("move.{state}"));
                if state == "completed" {
                    at = to;
                }
            }
            None => return at.to_owned(),
        }
        tokio::time::sleep(random.between(0, 600)).await;
    }
    at.to_owned()
}

/// Starts a move and sees it end; `None`: it could not be started, which is a problem.
async fn one_move(
    stage: &Stage,
    tenant: &str,
    to: &str,
    number: u32,
    cancel_after: Option<Duration>,
) -> Option<String> {
    let key = format!("{tenant}-{number}");
    let path = format!("tenants/{tenant}/moves");
    let start = Request { key: Some(&key), ..Request::post(&path, json!({ "to": to, "reason": "soak" })) };
    let started = stage.api.ask(&start).await;
    let id = started.text("id").to_owned();
    if !started.status.is_success() || id.is_empty() {
        stage.problem(format!("move {key} to {to} could not be started: {started:?}"));
        return None;
    }
    stage.event(&format!("move {key} to {to} is {id}"));
    if let Some(after) = cancel_after {
        tokio::time::sleep(after).await;
        cancel(stage, &id).await;
    }
    let path = format!("moves/{id}");
    loop {
        let seen = stage.api.ask(&Request::get(&path)).await;
        if seen.body["finishedAt"].is_string() {
            let error = seen.body["error"]["code"].as_str().unwrap_or_default();
            stage.event(&format!("move {key} {id} {} {error}", seen.text("state")));
            if !error.is_empty() {
                stage.count(&format!("rolled back.{error}"));
            }
            return Some(seen.text("state").to_owned());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Asked again until there is an answer: a cancel that was carried out and whose answer was lost is found done.
async fn cancel(stage: &Stage, id: &str) {
    let answer = stage.api.ask(&Request::post(&format!("moves/{id}/cancel"), json!({ "reason": "soak" }))).await;
    let code = answer.text("code");
    match answer.status.as_u16() {
        200 => stage.count("cancel.accepted"),
        409 if ["already_committed", "move_ended"].contains(&code) => stage.count("cancel.too late"),
        _ => stage.problem(format!("the cancel of {id} was answered with {answer:?}")),
    }
}

/// Replays whatever removal has failed, until the run is over.
pub(crate) async fn replay_removals(stage: Arc<Stage>) {
    let everything = Request::post("removals/replay", json!({ "reason": "soak" }));
    while !stage.over.is_cancelled() {
        tokio::time::sleep(Duration::from_secs(2)).await;
        if let Some(answer) = stage.api.ask_once(&everything).await {
            for id in answer.body["replayed"].as_array().into_iter().flatten() {
                stage.count("removal.replayed");
                stage.event(&format!("removal {id} is replayed"));
            }
        }
    }
}
