//! Servers of other releases: what is said where all went well, and where the difference explains a failure.

mod common;
#[path = "common/stub.rs"]
mod stub;

use common::world::World;
use common::{Ran, realmctl};
use serde_json::Value;
use stub::Stub;

const UNKNOWN: &str = r#"{"type":"urn:realmctl:problem:unknown_route","title":"unknown route","status":404,"detail":"there is nothing at this path","code":"unknown_route"}"#;
const NO_FIELD: &str = r#"{"type":"urn:realmctl:problem:invalid_body","title":"invalid body","status":400,"detail":"`force` is no field; there is `to`","code":"invalid_body"}"#;
const NO_REALM: &str = r#"{"type":"urn:realmctl:problem:unknown_realm","title":"unknown realm","status":404,"detail":"there is no realm mars","code":"unknown_realm"}"#;

fn ask(stub: &Stub, more: &[&str]) -> Ran {
    realmctl(&[&["moves", "list", "--server", &stub.url], more].concat())
}

#[test]
fn an_answer_of_another_release_is_shown_with_a_note() {
    let newer = ask(&Stub::serve("9.3.0"), &[]).ends_with(0);
    let ours = env!("CARGO_PKG_VERSION");
    let note = format!("This realmctl is {ours}, the server 9.3.0: what the server does in addition is not shown.");
    assert!(newer.stderr.lines().any(|line| line == note), "{newer:#?}");
    let json = ask(&Stub::serve("9.3.0"), &["--output", "json"]).ends_with(0);
    let notes: Vec<Value> =
        json.stderr.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    assert!(notes.iter().any(|line| line["note"] == note.as_str()), "{json:#?}");
    let older = ask(&Stub::serve("0.0.1"), &[]).ends_with(0);
    assert!(older.stderr.contains("what the server does not know yet, it refuses"), "{older:#?}");
    for same in [ours, "nonsense"] {
        let quiet = ask(&Stub::serve(same), &[]).ends_with(0);
        assert!(!quiet.stderr.contains("This realmctl"), "{quiet:#?}");
    }
}

#[test]
fn the_note_is_made_once_however_many_requests_there_are() {
    // A tenant's moves are listed after it was looked for.
    let tenant =
        r#"{"id":"acme","realm":"us","status":"online","epoch":1,"createdAt":"2026-11-21T21:55:03.123Z","items":[]}"#;
    let stub = Stub::answering(200, tenant, &[("Realmctl-Version", "9.3.0")]);
    let ran = ask(&stub, &["--tenant", "acme"]);
    assert!(stub.tokens().len() > 1, "{ran:#?}");
    assert_eq!(ran.stderr.matches("This realmctl").count(), 1, "{ran:#?}");
}

#[test]
fn what_a_release_explains_is_explained_and_nothing_else() {
    let version = [("Realmctl-Version", "9.3.0")];
    let hint = "the server 9.3.0: that may be why; upgrade this realmctl";
    for (status, body) in [(404, UNKNOWN), (400, NO_FIELD)] {
        let ran = ask(&Stub::answering(status, body, &version), &[]).ends_with(3);
        assert!(ran.stderr.starts_with("error: ") && ran.stderr.contains(hint), "{ran:#?}");
        assert_eq!(ran.stderr.matches("This realmctl").count(), 1, "{ran:#?}");
        // Of the same release, and of one that does not say: the failure alone.
        for headers in [vec![], vec![("Realmctl-Version", env!("CARGO_PKG_VERSION"))]] {
            let ran = ask(&Stub::answering(status, body, &headers), &[]).ends_with(3);
            assert!(!ran.stderr.contains("This realmctl"), "{ran:#?}");
        }
    }
    let unreadable = ask(&Stub::answering(200, r#"{"moves":[]}"#, &version), &[]).ends_with(1);
    assert!(unreadable.stderr.contains(hint), "{unreadable:#?}");
    let refused = ask(&Stub::answering(404, NO_REALM, &version), &[]).ends_with(3);
    assert_eq!(refused.stderr, "error: there is no realm mars\n");
    let older = ask(&Stub::answering(404, UNKNOWN, &[("Realmctl-Version", "0.0.1")]), &[]).ends_with(3);
    assert!(older.stderr.contains("upgrade the server"), "{older:#?}");
    let status = realmctl(&["status", "--server", &Stub::answering(404, UNKNOWN, &version).url]).ends_with(3);
    assert!(status.stderr.contains(hint) && !status.stderr.contains("earlier version"), "{status:#?}");
}

#[test]
fn a_real_server_tells_its_version_and_there_is_no_note() {
    let world = World::new(&[]);
    let ran = world.server.ask(&["tenants", "show", "acme"]).ends_with(0);
    assert!(ran.stderr.is_empty(), "{ran:#?}");
}
