//! Topology files and stored locations that somebody has broken: reading them never panics, never takes long, and comes to a value that
//! is read back as itself, or to an error that says something. `REALMCTL_FUZZ=N` tries N times as many.

use std::cell::Cell;
use std::time::{Duration, Instant};

use catalogue::location::Location;
use catalogue::topology::Topology;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

const FILE: &str = r#"
regions:
  us-east-1: { dynamodb: { endpoint: "http://127.0.0.1:9001" } }
  eu-west-1: {}
realms:
  us: { dataRegions: [us-east-1] }
  eu: { dataRegions: [eu-west-1], countries: [DE, FR] }
services:
  issues:
    store: { dynamodb: { table: issues, index: by-tenant, indexKey: tenant_shard, shardCount: 10 } }
    shards:
      - { shard: issues-us, dataRegions: [us-east-1] }
      - { shard: issues-eu, dataRegions: [eu-west-1] }
"#;

/// What breaks readers of YAML and JSON.
const ODD: [&str; 28] = [
    "&a [*a]",
    "*a",
    "&a ",
    "<<: *a\n",
    "!!binary x",
    "? ",
    "- - - - - - - -",
    "{",
    "[",
    "}",
    "]",
    "\"",
    "'",
    "\t",
    "\0",
    "\u{feff}",
    "\u{202e}",
    "\u{1f600}",
    "é",
    "1e999",
    "-9223372036854775809",
    "340282366920938463463374607431768211456",
    ".nan",
    "0x_f",
    "~",
    "\n---\n",
    "|\n ",
    "{tenant}",
];

/// The longest that one file may take, on a machine that stands still at times.
const LONGEST: Duration = Duration::from_secs(20);

/// One change of a text.
#[derive(Debug, Clone)]
enum Change {
    Cut(Index),
    Remove(Index, usize),
    Insert(Index, &'static str, usize),
    Repeat(Index),
    Swap(Index, Index),
    Char(Index, char),
    /// A bomb: each line's aliases stand for nine of the line before.
    Aliases(usize),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        1 => at().prop_map(Change::Cut),
        3 => (at(), 1_usize..20).prop_map(|(at, length)| Change::Remove(at, length)),
        6 => (at(), proptest::sample::select(&ODD[..]), prop_oneof![8 => Just(1_usize), 1 => 2_usize..300])
            .prop_map(|(at, text, times)| Change::Insert(at, text, times)),
        2 => at().prop_map(Change::Repeat),
        2 => (at(), at()).prop_map(|(one, other)| Change::Swap(one, other)),
        3 => (at(), any::<char>()).prop_map(|(at, with)| Change::Char(at, with)),
        1 => (1_usize..40).prop_map(Change::Aliases),
    ]
}

fn changed(text: &str, change: &Change) -> String {
    let letters: Vec<char> = text.chars().collect();
    let place = |at: &Index| at.index(letters.len() + 1);
    let between =
        |from: usize, to: usize| letters[from.min(letters.len())..to.min(letters.len())].iter().collect::<String>();
    let end = letters.len();
    let mut lines: Vec<&str> = text.lines().collect();
    match change {
        Change::Cut(at) => between(0, place(at)),
        Change::Remove(at, length) => between(0, place(at)) + &between(place(at) + length, end),
        Change::Insert(at, odd, times) => between(0, place(at)) + &odd.repeat(*times) + &between(place(at), end),
        Change::Char(at, with) => format!("{}{with}{}", between(0, place(at)), between(place(at) + 1, end)),
        Change::Repeat(at) if !lines.is_empty() => {
            let at = at.index(lines.len());
            lines.insert(at, lines[at]);
            lines.join("\n")
        }
        Change::Swap(one, other) if !lines.is_empty() => {
            let (one, other) = (one.index(lines.len()), other.index(lines.len()));
            lines.swap(one, other);
            lines.join("\n")
        }
        Change::Aliases(many) => {
            let bomb = |line: usize| format!("b{line}: &b{line} [{}]\n", vec![format!("*b{}", line - 1); 9].join(", "));
            format!("b0: &b0 x\n{}{text}", (1..=*many).map(bomb).collect::<String>())
        }
        Change::Repeat(_) | Change::Swap(..) => text.to_owned(),
    }
}

/// Tries a law on changes of a text, and says how many cases it saw.
fn hold(law: &str, text: &'static str, cases: u32, holds: impl Fn(&str) -> bool) {
    let times =
        std::env::var("REALMCTL_FUZZ").map_or(1, |times| times.parse().expect("REALMCTL_FUZZ is a whole number"));
    let config = Config { cases: cases.saturating_mul(times), failure_persistence: None, ..Config::default() };
    let changes = proptest::collection::vec(change(), 0..6);
    let (tried, taken) = (Cell::new(0_u64), Cell::new(0_u64));
    let held = TestRunner::new(config).run(&changes, |changes| {
        let text = changes.iter().fold(text.to_owned(), |text, change| changed(&text, change));
        let begun = Instant::now();
        tried.set(tried.get() + 1);
        taken.set(taken.get() + u64::from(holds(&text)));
        prop_assert!(begun.elapsed() < LONGEST, "{:?} for {} bytes", begun.elapsed(), text.len());
        Ok(())
    });
    held.unwrap_or_else(|error| panic!("{law}: {error}"));
    println!("{law}: {} cases, {} of them taken", tried.get(), taken.get());
    assert!(taken.get() > 0 && taken.get() < tried.get(), "{law}: some are good and some are not");
}

#[test]
fn a_broken_topology_is_refused_in_words_or_means_one_thing() {
    hold("topology files", FILE, 100, |yaml| match Topology::parse(yaml) {
        Ok(topology) => {
            let json = serde_json::to_string(&topology).expect("it can be written");
            assert_eq!(Topology::parse(&json).expect("what was taken is taken again"), topology);
            assert!(topology.validate().is_empty());
            true
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            assert!(problems.iter().all(|problem| !problem.reason.is_empty()), "{problems:?}");
            false
        }
    });
}

#[test]
fn a_broken_location_is_refused_or_is_read_back_as_itself() {
    const STORED: &str = r#"{"name":"eu-west-1","region":"eu-west-1","address":{"s3":{"endpoint":"http://127.0.0.1:9001","bucket":"media","prefix":"acme/"}}}"#;
    hold("stored locations", STORED, 2_000, |json| match serde_json::from_str::<Location>(json) {
        Ok(location) => {
            let again = serde_json::to_string(&location).expect("it can be written");
            assert_eq!(serde_json::from_str::<Location>(&again).expect("it is read back"), location);
            assert!(!location.key().is_empty());
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    });
}
