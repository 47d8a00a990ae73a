//! A server that answers every request alike, says which version it is, and remembers what it was shown.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Serves until the test ends, and with it the process.
pub(crate) struct Stub {
    pub(crate) url: String,
    shown: Arc<Mutex<Vec<Option<String>>>>,
}

impl Stub {
    /// An empty page, from a server of this version.
    pub(crate) fn serve(version: &'static str) -> Self {
        Self::answering(200, r#"{"items":[],"nextCursor":null}"#, &[("Realmctl-Version", version)])
    }

    /// This answer to everything.
    pub(crate) fn answering(status: u16, body: &'static str, headers: &[(&'static str, &'static str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status} X\r\n{headers}Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        let shown = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&shown);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let token = token_of(&stream);
                kept.lock().expect("nobody panics with it in hand").push(token);
                // A client that goes away is no concern of ours.
                drop((&stream).write_all(answer.as_bytes()));
            }
        });
        Self { url, shown }
    }

    /// What requests since the last look showed as their authorization.
    pub(crate) fn tokens(&self) -> Vec<Option<String>> {
        std::mem::take(&mut *self.shown.lock().expect("nobody panics with it in hand"))
    }
}

/// Reads a request without a body.
fn token_of(stream: &TcpStream) -> Option<String> {
    let lines = BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    let headers: Vec<String> = lines.collect();
    let named = |line: &String| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("authorization").then(|| value.trim().to_owned())
    };
    headers.iter().find_map(named)
}
