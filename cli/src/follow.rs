//! Follows a move by the server's event stream, across lost connections and restarts of the server.
//!
//! It tells what happened, once each and in order, and ends with the move; how that is shown is `watch`'s business.

use std::time::Duration;

use reqwest::Response;
use server::api::{MoveView, StateEvent};

use crate::client::Client;
use crate::exit::{Exit, Failure};

/// Connections that may fail in a row: with the waits between them, about two minutes.
const MOST_FAILURES: u32 = 40;
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(3);
/// After how many failures it is waited as long as between two looks at a move whose stream is not to be had.
const FAILURES_OF_A_POLL: u32 = 3;
/// An event is a line of history or one move: far less than this.
const LONGEST_EVENT: usize = 4 << 20;

/// What the stream tells.
#[derive(Debug)]
pub(crate) enum Event {
    /// The move passed from one state to the next.
    State(StateEvent),
    /// The move as it is now.
    Move(Box<MoveView>),
    /// The connection was lost and will be tried again.
    Lost(String),
}

/// Whether nothing follows this state of a move.
pub(crate) fn is_final(state: &str) -> bool {
    matches!(state, "completed" | "rolled_back" | "failed")
}

/// The events of one move.
pub(crate) struct Follow<'a> {
    client: &'a Client,
    id: String,
    stream: Option<Response>,
    parser: Parser,
    last_id: Option<String>,
    failures: u32,
    loss_told: bool,
    ended: bool,
}

impl<'a> Follow<'a> {
    pub(crate) fn new(client: &'a Client, id: &str) -> Self {
        Self {
            client,
            id: id.to_owned(),
            stream: None,
            parser: Parser::default(),
            last_id: None,
            failures: 0,
            loss_told: false,
            ended: false,
        }
    }

    /// The next event; `None` once the move has ended and everything was told.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>, Failure> {
        loop {
            if self.ended && self.stream.is_none() {
                return Ok(None);
            }
            while let Some(message) = self.parser.next() {
                if let Some(event) = self.understand(&message) {
                    return Ok(Some(event));
                }
            }
            let Some(stream) = &mut self.stream else {
                if let Some(lost) = self.connect().await? {
                    return Ok(Some(lost));
                }
                continue;
            };
            match stream.chunk().await {
                Ok(Some(bytes)) if self.parser.feed(&bytes) => {}
                Ok(None) if self.ended => self.stream = None,
                // The server stops, or something between broke off.
                Ok(_) | Err(_) => self.break_off(),
            }
        }
    }

    async fn connect(&mut self) -> Result<Option<Event>, Failure> {
        if self.failures > 0 {
            let wait = FIRST_WAIT * 2u32.saturating_pow(self.failures - 1);
            tokio::time::sleep(wait.min(LONGEST_WAIT)).await;
        }
        match self.client.move_events(&self.id, self.last_id.as_deref()).await {
            Ok(stream) => {
                self.stream = Some(stream);
                Ok(None)
            }
            Err(failure) if failure.exit != Exit::Failed => Err(failure),
            Err(failure) => {
                // A server may have no stream left for this display, and answer all the same.
                if let Ok(view) = self.client.realm_move(&self.id).await {
                    self.failures = FAILURES_OF_A_POLL;
                    self.ended |= is_final(&view.state);
                    return Ok(Some(Event::Move(Box::new(view))));
                }
                // Nothing was ever heard: the address is wrong, or there is no server.
                if self.last_id.is_none() && self.failures == 0 {
                    return Err(failure);
                }
                self.failures += 1;
                if self.failures > MOST_FAILURES {
                    let message = format!("{}; the move continues without this display", failure.message);
                    return Err(Failure::failed(message));
                }
                let told = std::mem::replace(&mut self.loss_told, true);
                Ok((!told).then_some(Event::Lost(failure.message)))
            }
        }
    }

    fn break_off(&mut self) {
        self.stream = None;
        self.parser = Parser::default();
        self.failures += 1;
    }

    fn understand(&mut self, message: &Message) -> Option<Event> {
        let event = match message.event.as_str() {
            "state" => serde_json::from_str(&message.data).map(Event::State),
            "move" => serde_json::from_str(&message.data).map(|view| Event::Move(Box::new(view))),
            _ => return None,
        };
        let event = event.inspect_err(|error| tracing::debug!(%error, "an event of another version")).ok()?;
        self.failures = 0;
        self.loss_told = false;
        if !message.id.is_empty() {
            self.last_id = Some(message.id.clone());
        }
        match &event {
            Event::State(change) => self.ended |= is_final(&change.to_state),
            Event::Move(view) => self.ended |= is_final(&view.state),
            Event::Lost(_) => {}
        }
        Some(event)
    }
}

/// One message of a stream of server-sent events.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Message {
    id: String,
    event: String,
    data: String,
}

/// Takes a stream of server-sent events apart (WHATWG HTML, "Server-sent events"). Only what this API sends: no BOM, and
/// lines end in LF or CRLF.
#[derive(Debug, Default)]
struct Parser {
    bytes: Vec<u8>,
    message: Message,
}

impl Parser {
    /// Takes a piece of the stream; false when it is no stream of events.
    fn feed(&mut self, bytes: &[u8]) -> bool {
        self.bytes.extend_from_slice(bytes);
        self.bytes.len() <= LONGEST_EVENT
    }

    fn next(&mut self) -> Option<Message> {
        while let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.bytes.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\n', '\r']);
            if line.is_empty() {
                let message = std::mem::take(&mut self.message);
                if !message.data.is_empty() {
                    return Some(message);
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "id" => value.clone_into(&mut self.message.id),
                "event" => value.clone_into(&mut self.message.event),
                "data" if self.message.data.is_empty() => value.clone_into(&mut self.message.data),
                "data" => self.message.data.extend(["\n", value]),
                // A comment, which keeps the connection alive, or a field of no use here.
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str =
        ": hello\n\nid: 1\nevent: state\ndata: {\"a\":\ndata: 1}\n\nevent: move\r\ndata: {}\r\n\r\nid: 9\n";

    #[test]
    fn a_stream_is_understood_however_it_is_cut() {
        for size in 1..STREAM.len() {
            let mut parser = Parser::default();
            let mut messages = Vec::new();
            for piece in STREAM.as_bytes().chunks(size) {
                assert!(parser.feed(piece));
                while let Some(message) = parser.next() {
                    messages.push(message);
                }
            }
            let first = Message { id: "1".into(), event: "state".into(), data: "{\"a\":\n1}".into() };
            let second = Message { id: String::new(), event: "move".into(), data: "{}".into() };
            assert_eq!(messages, [first, second], "pieces of {size}");
        }
    }

    #[test]
    fn a_stream_without_an_end_of_line_is_given_up() {
        let mut parser = Parser::default();
        assert!(!parser.feed(&vec![b'x'; LONGEST_EVENT + 1]));
    }
}
