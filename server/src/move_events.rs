//! `/v1/moves/{id}/events`: server-sent events of one move, from its stored history.
//!
//! `event: state` is one row of the history, with its number as the event's id, so that `Last-Event-ID` resumes after it.
//! `event: move` is the whole move whenever it has changed, and at least once for each stream. A stream ends after the last
//! state, when the server stops, when the catalogue does not answer, when the token or session that opened it is no longer good, or after an hour:
//! whoever still wants more asks again.

use std::collections::VecDeque;
use std::time::Duration;

use axum::Error;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use engine::tables::history;
use engine::tables::history::HistoryRow;
use futures::stream::{self, Stream};
use store::StoreError;
use tokio::time::Instant;
use tracing::warn;
use workflows::realm_move::view_move;
use workflows::timestamps::rfc3339;

use crate::api::{MoveView, StateEvent};
use crate::app_state::App;
use crate::moves::unknown_move;
use crate::path::Id;
use crate::principal::Principal;
use crate::problem::ApiError;
use crate::streams::Place;

/// How often the history is looked at.
const POLL: Duration = Duration::from_millis(250);

/// History rows read at a time.
const ROWS: i64 = 100;

/// The longest that one stream lasts.
const LASTS: Duration = Duration::from_secs(60 * 60);

/// While nothing but the time offline changes, it is told this often, in milliseconds.
const OFFLINE_TOLD_EVERY_MS: i64 = 1000;

/// `GET /v1/moves/{id}/events`
pub(crate) async fn follow(
    State(app): State<App>,
    Id(id): Id,
    principal: Principal,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Error>>>, ApiError> {
    let seq = last_event_id(&headers)?;
    let place = app.streams.enter(&principal)?;
    let mut follower = Follower {
        app,
        principal,
        id,
        seq,
        told: None,
        ready: VecDeque::new(),
        ended: false,
        until: Instant::now() + LASTS,
        _place: place,
    };
    // The first look is taken here, so that an unknown move is an error and not an empty stream.
    if !follower.look().await? {
        return Err(unknown_move(&follower.id));
    }
    let events = stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((event, follower))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

fn last_event_id(headers: &HeaderMap) -> Result<i64, ApiError> {
    let Some(given) = headers.get("Last-Event-ID").filter(|given| !given.is_empty()) else { return Ok(0) };
    given.to_str().ok().and_then(|given| given.parse().ok()).filter(|seq| *seq >= 0).ok_or_else(|| {
        ApiError::invalid("invalid_last_event_id", "Last-Event-ID is the id of an event of this stream: a whole number")
    })
}

/// Follows one move.
struct Follower {
    app: App,
    /// Who opened the stream: it ends when the token, session or certificate is no longer good.
    principal: Principal,
    id: String,
    /// The last history row told.
    seq: i64,
    /// The move as last told.
    told: Option<MoveView>,
    ready: VecDeque<Result<Event, Error>>,
    ended: bool,
    until: Instant,
    _place: Place,
}

impl Follower {
    /// The next event; `None` ends the stream.
    async fn next(&mut self) -> Option<Result<Event, Error>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.ended || Instant::now() >= self.until {
                return None;
            }
            let stop = self.app.stop.clone();
            stop.run_until_cancelled(tokio::time::sleep(POLL)).await?;
            if let Err(error) = self.look().await {
                warn!(error = error.chain(), "an event stream ends early: the catalogue does not answer");
                return None;
            }
        }
    }

    /// Queues what is new. `false`: there is no such move.
    async fn look(&mut self) -> Result<bool, StoreError> {
        let mut tx = self.app.deployment.store.read().await?;
        if !self.principal.is_still_good(&mut tx).await? {
            self.ended = true;
            tx.rollback().await?;
            return Ok(true);
        }
        let found = view_move(&mut tx, &self.id).await?;
        let rows = if found.is_some() { history::after(&mut tx, &self.id, self.seq, ROWS).await? } else { Vec::new() };
        tx.rollback().await?;
        let Some(now) = found else { return Ok(false) };
        // A full page may not be the last one.
        let caught_up = rows.len() < usize::try_from(ROWS).expect("it is a small constant");
        self.ended = caught_up && now.finished_at.is_some();
        for row in rows {
            self.seq = row.seq;
            self.ready.push_back(state_event(row));
        }
        if self.told.as_ref().is_none_or(|told| worth_telling(told, &now)) {
            self.ready.push_back(Event::default().event("move").json_data(&now));
            self.told = Some(now);
        }
        Ok(true)
    }
}

fn state_event(row: HistoryRow) -> Result<Event, Error> {
    let HistoryRow { seq, at, from_state, to_state, note } = row;
    let data = StateEvent { seq, at: rfc3339(at), from_state, to_state, note };
    Event::default().event("state").id(seq.to_string()).json_data(data)
}

/// The move without what changes with the clock alone.
fn timeless(view: &MoveView) -> MoveView {
    MoveView {
        offline_ms: 0,
        projected_offline_ms: None,
        eta_ms: None,
        eta_low_ms: None,
        eta_high_ms: None,
        ..view.clone()
    }
}

/// The time offline grows with every look, which is no news by itself.
fn worth_telling(told: &MoveView, now: &MoveView) -> bool {
    now.offline_ms - told.offline_ms >= OFFLINE_TOLD_EVERY_MS || timeless(told) != timeless(now)
}
