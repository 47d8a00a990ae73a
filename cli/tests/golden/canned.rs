//! A server of canned answers, so that what a command prints is the same on every machine.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use serde_json::{Value, json};

/// Answers to `METHOD /path`, whatever the query says.
pub(crate) type Answers = Vec<(&'static str, u16, Value)>;

/// Serves until the test ends, and with it the process.
pub(crate) struct Canned {
    /// Where it listens.
    pub(crate) url: String,
}

impl Canned {
    /// Answers so; anything else is told to be unknown.
    pub(crate) fn serve(answers: Answers) -> Self {
        Self::serve_with(move |asked| {
            let known = answers.iter().find(|(known, ..)| *known == asked);
            known.map_or_else(
                || problem(404, "unknown_route", &format!("the test has no answer to {asked}")),
                |found| (found.1, found.2.clone()),
            )
        })
    }

    /// Answers everything alike.
    pub(crate) fn failing(status: u16, code: &'static str, detail: &'static str) -> Self {
        Self::serve_with(move |_| problem(status, code, detail))
    }

    fn serve_with(answer: impl Fn(&str) -> (u16, Value) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let answer = Arc::clone(&answer);
                std::thread::spawn(move || talk(&stream, answer.as_ref()));
            }
        });
        Self { url }
    }
}

/// One request and its answer.
fn talk(stream: &TcpStream, answer: &(impl Fn(&str) -> (u16, Value) + ?Sized)) {
    let mut lines = BufReader::new(stream);
    let mut first = String::new();
    let mut length = 0;
    // A client that goes away is no concern of ours.
    if lines.read_line(&mut first).is_err() {
        return;
    }
    loop {
        let mut line = String::new();
        match lines.read_line(&mut line) {
            Ok(read) if read > 2 => {}
            _ => break,
        }
        if let Some((_, value)) = line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
            length = value.trim().parse().expect("a length");
        }
    }
    drop(lines.read_exact(&mut vec![0; length]));
    let mut words = first.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split('?').next().unwrap_or_default();
    let (status, body) = answer(&format!("{method} {path}"));
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close",
        body.len()
    );
    drop(write!(&mut &*stream, "{head}\r\n\r\n{body}"));
}

fn problem(status: u16, code: &str, detail: &str) -> (u16, Value) {
    let kind = format!("urn:realmctl:problem:{code}");
    let title = code.replace('_', " ");
    (status, json!({ "type": kind, "title": title, "status": status, "detail": detail, "code": code }))
}
