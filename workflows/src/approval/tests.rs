//! The rules of approval, without a database.

use catalogue::approvals::StoredApproval;

use super::content::{Content, hash};
use super::decide::may_approve;
use super::{Action, Policy};
use crate::realm_move::MoveRequest;

fn asked(expires_at: i64, state: &str) -> StoredApproval {
    let request = MoveRequest { tenant: "acme".to_owned(), to: "eu".to_owned(), ..MoveRequest::default() };
    let content = Content::Move { request, paused: false, plan_hash: Some("ab".to_owned()) };
    StoredApproval {
        id: "1".to_owned(),
        action: "move".to_owned(),
        tenant: Some("acme".to_owned()),
        hash: hash(&content.text()),
        content: content.text(),
        requested_by: "sam".to_owned(),
        token: None,
        who: "sam".to_owned(),
        origin: String::new(),
        why: String::new(),
        requested_at: 0,
        expires_at,
        state: state.to_owned(),
        decided_by: None,
        decided_why: None,
        decided_at: None,
        outcome: None,
    }
}

#[test]
fn another_person_approves_that_content_in_time() {
    let waits = asked(100, "pending");
    let refused = |asked: &StoredApproval, hash: &str, by: &str, now| {
        may_approve(asked, hash, by, now).expect_err("it is refused").code()
    };
    assert!(may_approve(&waits, &waits.hash, "ada", 99).is_ok());
    assert_eq!(refused(&waits, &waits.hash, "ada", 100), "approval_expired");
    assert_eq!(refused(&waits, &waits.hash, "SAM", 99), "approval_own");
    assert_eq!(refused(&waits, &hash("{}"), "ada", 99), "approval_other_content");
    assert_eq!(refused(&waits, &waits.hash[..8], "ada", 99), "approval_other_content");
    for state in ["approved", "declined", "withdrawn"] {
        assert_eq!(refused(&asked(100, state), &waits.hash, "ada", 99), "approval_not_pending");
    }
}

#[test]
fn what_is_kept_is_what_was_asked_for() {
    let kept = asked(100, "pending").content;
    assert_eq!(Content::read(&kept).expect("it can be read").text(), kept);
    let other = kept.replace("\"eu\"", "\"us\"");
    assert_ne!(hash(&other), hash(&kept));
}

#[test]
fn a_policy_that_holds_less_is_weaker() {
    let of = |actions: &[Action], valid_for_ms| Policy { actions: actions.iter().copied().collect(), valid_for_ms };
    let (none, moves) = (Policy::default(), of(&[Action::Move], 1_000));
    assert!(!moves.is_weaker_than(&none) && none.is_weaker_than(&moves));
    assert!(of(&[Action::Move, Action::Topology], 1_000).is_weaker_than(&of(&[Action::Move, Action::Campaign], 1_000)));
    assert!(of(&[Action::Move], 1_001).is_weaker_than(&moves) && !of(&[Action::Move], 999).is_weaker_than(&moves));
    assert!(!of(&[], 2).is_weaker_than(&of(&[], 1)));
    assert!(moves.requires(Action::Move) && moves.requires(Action::Token) && moves.requires(Action::Policy));
    assert!(!moves.requires(Action::Topology) && !none.requires(Action::Token) && !none.requires(Action::Policy));
}

#[test]
fn actions_have_one_name() {
    for action in Action::NAMED.into_iter().chain([Action::Token, Action::Policy]) {
        assert_eq!(Action::find(action.as_str()), Some(action));
        assert_eq!(serde_json::json!(action), serde_json::json!(action.as_str()));
    }
}

/// Requests wait for up to 30 days, and another version may carry them out: what is stored is read and written as it was.
#[test]
fn stored_contents_keep_their_form() {
    for stored in [
        r#"{"type":"move","request":{"tenant":"acme","to":"eu","at":5,"budgetMs":null,"priority":"normal","verification":"full"},"paused":false}"#,
        r#"{"type":"move","request":{"tenant":"acme","to":"eu","window":{"from":1,"to":2},"budgetMs":7,"priority":"high","verification":"full"},"paused":true,"planHash":"ab"}"#,
        r#"{"type":"campaign","request":{"to":"eu","tenants":{"listed":["acme"]},"options":{"wave_size":1,"wave_pause_ms":0,"at_once":5,"max_failures":"1","priority":"normal"}}}"#,
        r#"{"type":"replay","removal":"r","acceptLateWrites":"0123456789abcdef","acceptTable":null}"#,
        r#"{"type":"topology","yaml":"regions: {}","accept":true,"on":{"OneOf":["1-ab"]}}"#,
        r#"{"type":"rename_endpoint","region":"r","kind":"s3","address":"http://127.0.0.1:1","on":"Any"}"#,
        r#"{"type":"limit","scope":"overall","change":{"slots":0,"writeUnits":null,"readUnits":null},"on":"Any"}"#,
        r#"{"type":"token","id":"i","name":"n","hash":"h","hashKey":"k","role":"support","scope":"\"all\"","createdAt":1,"createdBy":"ada","expiresAt":null}"#,
        r#"{"type":"policy","policy":{"actions":["move"],"validForMs":600000},"on":"Any"}"#,
    ] {
        let read = Content::read(stored).unwrap_or_else(|error| panic!("{stored}: {}", error.chain()));
        assert_eq!(read.text(), stored);
    }
}
