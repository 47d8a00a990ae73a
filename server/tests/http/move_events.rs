//! `/v1/moves/{id}/events`.

use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use server::api::MoveView;
use store::sql;

use crate::harness::{Answer, Api, SOON};

/// A stream, read event by event.
struct Events {
    response: Response,
    read: String,
}

/// One event's fields.
#[derive(Debug, PartialEq)]
struct Event {
    name: String,
    id: Option<String>,
    data: Value,
}

impl Events {
    async fn open(api: &Api, id: &str, last: Option<&str>) -> Self {
        // Without a limit for the whole: a stream is read for as long as it lasts.
        let mut request = api.http.get(format!("{}/v1/moves/{id}/events", api.base));
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        let response = tokio::time::timeout(SOON, request.send()).await.expect("soon").expect("the server answers");
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, read: String::new() }
    }

    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((text, rest)) = self.read.split_once("\n\n") {
                let event = parse(text);
                self.read = rest.to_owned();
                if event.is_some() {
                    return event;
                }
                continue;
            }
            let chunk =
                tokio::time::timeout(SOON, self.response.chunk()).await.expect("something comes").expect("no break")?;
            self.read.push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
        }
    }

    async fn rest(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

/// A comment is no event.
fn parse(text: &str) -> Option<Event> {
    let field =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(str::to_owned);
    let data = serde_json::from_str(&field("data")?).expect("data is JSON");
    Some(Event { name: field("event").expect("events are named"), id: field("id"), data })
}

#[tokio::test]
async fn a_move_is_followed_to_its_end_and_resumed() {
    let api = Api::with_tenants(&["acme"]).await;
    let started = api.schedule_move("acme").await;
    let mut events = Events::open(&api, &started.id, None).await;
    let first = events.next().await.expect("the move as it is now");
    assert_eq!((first.name.as_str(), &first.id), ("move", &None));
    // What it waits for is explained where one move is shown, not in every event.
    let without_explanation = MoveView { explain: None, ..started.clone() };
    assert_eq!(serde_json::from_value::<MoveView>(first.data).expect("a move"), without_explanation);

    let mut cancelled: Value =
        api.post(&format!("/v1/moves/{}/cancel", started.id), &json!({})).await.expect(StatusCode::OK).json();
    let explained = cancelled.as_object_mut().and_then(|cancelled| cancelled.remove("explain"));
    assert_eq!(explained.expect("an explanation")["waitsFor"]["code"], "ended");
    let state = events.next().await.expect("the cancel");
    assert_eq!((state.name.as_str(), state.id.as_deref()), ("state", Some("1")));
    let data = &state.data;
    assert_eq!(
        (&data["seq"], &data["fromState"], &data["toState"]),
        (&json!(1), &json!("scheduled"), &json!("rolled_back"))
    );
    assert_eq!(data["note"], "cancelled by anonymous");
    assert_eq!(data["at"], cancelled["finishedAt"]);
    let last = events.next().await.expect("the move as it ended");
    assert_eq!((last.name.as_str(), &last.data), ("move", &cancelled));
    assert_eq!(events.next().await, None, "the stream ends after the last state");

    let resumed = Events::open(&api, &started.id, Some("1")).await.rest().await;
    assert_eq!(resumed, [Event { name: "move".to_owned(), id: None, data: cancelled }], "nothing twice, and the end");
    let whole = Events::open(&api, &started.id, Some("")).await.rest().await;
    assert_eq!(whole.len(), 2);
}

#[tokio::test]
async fn a_long_history_comes_whole_and_in_order() {
    let api = Api::with_tenants(&["acme"]).await;
    let started = api.schedule_move("acme").await;
    let mut tx = api.deployment.store.begin().await.expect("a transaction");
    for seq in 1..=250 {
        sql("INSERT INTO history (workflow_id, seq, at, from_state, to_state, fence, note) VALUES ($1, $2, 1, 'a', 'b', 1, '')")
            .bind(&started.id)
            .bind(seq)
            .execute(&mut tx)
            .await
            .expect("inserted");
    }
    sql("UPDATE workflows SET finished_at = 1, wake_at = NULL WHERE id = $1")
        .bind(&started.id)
        .execute(&mut tx)
        .await
        .expect("written");
    tx.commit().await.expect("committed");
    let seqs =
        |events: &[Event]| events.iter().filter_map(|event| event.id.clone()?.parse().ok()).collect::<Vec<i64>>();
    let whole = Events::open(&api, &started.id, None).await.rest().await;
    assert_eq!(seqs(&whole), (1..=250).collect::<Vec<_>>());
    let resumed = Events::open(&api, &started.id, Some("240")).await.rest().await;
    assert_eq!(seqs(&resumed), (241..=250).collect::<Vec<_>>());
}

/// Connections are cut 10 s after the server is told to stop: what ends before has ended by itself.
const BEFORE_THE_GRACE: Duration = Duration::from_secs(9);

#[tokio::test]
async fn streams_end_when_the_server_stops() {
    let mut api = Api::with_tenants(&["acme"]).await;
    let started = api.schedule_move("acme").await;
    let mut events = Events::open(&api, &started.id, None).await;
    assert_eq!(events.next().await.expect("the move").name, "move");
    api.stop.cancel();
    assert_eq!(events.next().await, None);
    let ended = tokio::time::timeout(BEFORE_THE_GRACE, api.serving.join_next()).await.expect("the server stops soon");
    ended.expect("it was running").expect("it did not panic").expect("it stops cleanly");
}

#[tokio::test]
async fn there_is_no_stream_of_what_is_no_move() {
    let api = Api::with_tenants(&["acme"]).await;
    api.get("/v1/moves/nothing/events").await.problem(StatusCode::NOT_FOUND, "unknown_move");
    let started = api.schedule_move("acme").await;
    for last in ["-1", "x", "1.5"] {
        let request = api.request(Method::GET, &format!("/v1/moves/{}/events", started.id));
        let answer = Answer::of(request.header("Last-Event-ID", last)).await;
        answer.problem(StatusCode::BAD_REQUEST, "invalid_last_event_id");
    }
}

#[tokio::test]
async fn only_so_many_streams_are_open_at_a_time() {
    let api = Api::with_tenants(&["acme"]).await;
    let started = api.schedule_move("acme").await;
    let mut open = Vec::new();
    for _ in 0..256 {
        open.push(Events::open(&api, &started.id, None).await);
    }
    let path = format!("/v1/moves/{}/events", started.id);
    api.get(&path).await.problem(StatusCode::SERVICE_UNAVAILABLE, "too_many_streams");
    api.post(&format!("/v1/moves/{}/cancel", started.id), &json!({})).await.expect(StatusCode::OK);
    for events in open {
        assert_eq!(events.rest().await.last().map(|event| event.data["state"].clone()), Some(json!("rolled_back")));
    }
    Events::open(&api, &started.id, None).await.rest().await;
}
