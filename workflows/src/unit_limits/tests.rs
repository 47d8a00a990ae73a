//! Shares, what is in force, and who comes to whom.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;
use tokio::time::Instant;

use super::*;
use crate::known_limits::Known;
use crate::scopes::OVERALL;

fn reads(rate: f64) -> Rates {
    Rates { reads: Some(rate), ..Rates::default() }
}

fn location(region: &str) -> Value {
    let address = json!({ "dynamodb": { "table": "t", "index": "i", "indexKey": "k", "shardCount": 1 } });
    json!({ "name": region, "region": region, "address": address })
}

fn at_work(processes: &[(&str, &[&str])]) -> AtWork {
    let scopes = |scopes: &[&str]| scopes.iter().map(|scope| (*scope).to_owned()).collect();
    processes.iter().map(|(name, of)| ((*name).to_owned(), scopes(of))).collect()
}

#[test]
fn those_at_work_in_a_scope_share_its_limit() {
    let limits = ByScope::from([("overall".to_owned(), reads(90.0)), ("table:a".to_owned(), reads(30.0))]);
    let all = at_work(&[("one", &["overall", "table:a"]), ("two", &["overall", "table:b"]), ("three", &["overall"])]);
    let part = |owner: &str| {
        shares(&limits, &all, owner, &BTreeMap::new()).into_values().map(|rates| rates.reads).collect::<Vec<_>>()
    };
    assert_eq!(part("one"), [Some(30.0), Some(30.0)], "alone at the table");
    assert_eq!(part("two"), [Some(30.0), Some(15.0)], "as if it were there too");
    assert_eq!(part("idle"), [Some(22.5), Some(15.0)]);
    assert_eq!(shares(&limits, &AtWork::new(), "one", &BTreeMap::new()), limits, "nobody else is there");
}

#[test]
fn whoever_comes_to_others_waits_until_they_have_seen_it() {
    let (known, seen) = (Known::default(), Duration::from_secs(60));
    let wait = |all: &AtWork, scope: &str| {
        known.join(all, "me", seen).get(scope).map(|from| from.saturating_duration_since(Instant::now()))
    };
    let alone = at_work(&[("me", &["overall"]), ("other", &["table:b"])]);
    assert_eq!(wait(&alone, "overall"), Some(Duration::ZERO), "nobody else is there");
    let both = at_work(&[("me", &["overall", "table:b"]), ("other", &["overall", "table:b"])]);
    assert_eq!(wait(&both, "overall"), Some(Duration::ZERO), "the other one came later");
    assert!(wait(&both, "table:b").is_some_and(|wait| wait > seen / 2));
    let from = known.join(&both, "me", seen);
    assert_eq!(known.join(&both, "me", seen), from, "once");
    let limits = ByScope::from([("table:b".to_owned(), reads(10.0))]);
    let share = shares(&limits, &both, "me", &from)["table:b"];
    assert_eq!((share.reads, share.not_before), (Some(5.0), from.get("table:b").copied()));
    let gone = at_work(&[("other", &["overall", "table:b"])]);
    assert_eq!((wait(&gone, "overall"), wait(&gone, "table:b")), (None, None));
    assert!(wait(&both, "overall").is_some_and(|wait| wait > seen / 2), "it has come anew");
}

#[test]
fn the_least_time_is_that_of_the_scope_that_lets_least_through() {
    let at = |region| Location::deserialize(location(region)).expect("a location");
    let spent = [Spent { at: at("a"), writes: 0, reads: 600 }, Spent { at: at("b"), writes: 300, reads: 300 }];
    let writes = |rate| Rates { writes: Some(rate), ..Rates::default() };
    let limits = ByScope::from([
        (OVERALL.to_owned(), Rates { writes: Some(100.0), reads: Some(90.0), not_before: None }),
        ("table:dynamodb|aws:b|t".to_owned(), writes(10.0)),
        ("region:a".to_owned(), writes(0.001)),
    ]);
    assert_eq!(least_ms(&limits, &spent), (30_000.0, 10_000.0));
    assert_eq!(least_ms(&ByScope::new(), &spent), (0.0, 0.0));
}

#[test]
fn a_task_is_at_work_at_all_locations_in_its_input() {
    let of = |input: Value| locations_of(&input).into_iter().map(|at| at.region).collect::<Vec<_>>();
    let (a, b) = (location("a"), location("b"));
    assert_eq!(of(json!({ "from": a, "to": b, "tenant": "acme" })), ["a", "b"]);
    assert_eq!(of(json!({ "source": a, "at": b, "part": 1 })), ["a", "b"]);
    assert_eq!(of(json!({ "at": a, "live": null })), ["a"]);
    assert_eq!(of(json!("another version's")), Vec::<String>::new());
}

proptest! {
    #[test]
    fn shares_of_those_at_work_never_add_up_to_more(
        present in prop::collection::vec(any::<bool>(), 1..20),
        rate in 1.0_f64..1e7,
    ) {
        let limits = ByScope::from([("overall".to_owned(), reads(rate))]);
        let scopes = |is_there: bool| if is_there { BTreeSet::from(["overall".to_owned()]) } else { BTreeSet::new() };
        let all: BTreeMap<_, _> =
            present.iter().enumerate().map(|(n, is_there)| (format!("p{n}"), scopes(*is_there))).collect();
        let there = all.iter().filter(|(_, scopes)| !scopes.is_empty());
        let sum: f64 = there.map(|(owner, _)| shares(&limits, &all, owner, &BTreeMap::new())["overall"].reads.expect("limited")).sum();
        prop_assert!(sum <= rate * (1.0 + 1e-9));
    }
}
