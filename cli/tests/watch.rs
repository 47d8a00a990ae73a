//! A display that the server has no event stream for, as when all of them are open: it is not the move's outcome.

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::spawn;

use common::realmctl;
use common::world::World;
use serde_json::json;

/// Passes requests without a body on, and refuses event streams.
fn without_streams(server: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let server = server.strip_prefix("http://").expect("a server without TLS").to_owned();
    // Ends with the process: nobody connects any more by then.
    spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = server.clone();
            spawn(move || pass_on(client, &server));
        }
    });
    url
}

fn pass_on(mut client: TcpStream, server: &str) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).replacen("\r\n", "\r\nConnection: close\r\n", 1);
    let mut answer = Vec::new();
    if head.lines().next().is_some_and(|line| line.contains("/events")) {
        let body = r#"{"type":"about:blank","title":"x","status":503,"code":"too_many_streams","detail":"256 event streams are open already"}"#;
        let length = body.len();
        answer = format!(
            "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .into_bytes();
    } else if let Ok(mut upstream) = TcpStream::connect(server) {
        let sent = upstream.write_all(head.as_bytes()).and_then(|()| upstream.read_to_end(&mut answer));
        sent.expect("the server answers");
    }
    // The client may be gone.
    drop(client.write_all(&answer));
}

#[test]
fn a_display_without_a_stream_looks_at_the_move_itself() {
    let world = World::new(&["--start-paused"]);
    let started = world.server.json(&["move", "acme", "--to", "eu"]);
    let id = started["id"].as_str().expect("a move has an id").to_owned();
    let proxy = without_streams(&world.server.url);
    let watching = {
        let id = id.clone();
        spawn(move || realmctl(&["moves", "watch", &id, "--server", &proxy, "--output", "json"]))
    };
    world.server.json(&["moves", "cancel", &id]);
    world.server.json(&["resume", "--all"]);
    let ended = watching.join().expect("no panic");
    assert_eq!(ended.json()["state"], json!("rolled_back"), "{ended:?}");
    assert_eq!(ended.json()["error"]["code"], json!("cancelled"), "{ended:?}");
    assert!(!ended.stderr.contains("streams are open"), "{ended:?}");
}
