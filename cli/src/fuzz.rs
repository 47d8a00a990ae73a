//! What the command line reads, broken: arguments, exports of the audit trail, profiles and files of secrets. Reading them never panics,
//! ends in time, and comes to a value or to one line without control characters. `REALMCTL_FUZZ=N` tries N times as many.

use std::fs::{OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use catalogue::audit::AuditEntry;
use catalogue::audit_chain::digest;
use clap::{CommandFactory, FromArgMatches};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;

use crate::cli::Cli;
use crate::commands::audit::chain;
use crate::exit::Failure;
use crate::{format, misuse, process, profiles, token_keys};

/// The longest that one case may take, on a machine that stands still at times.
const LONGEST: Duration = Duration::from_secs(20);

/// What breaks readers of arguments, lines, YAML and JSON.
const ODD: [&str; 30] = [
    "\0",
    "\u{1b}[31m",
    "\u{9b}2J",
    "\r",
    "\n",
    "\t",
    "\u{feff}",
    "\u{202e}",
    "\u{1f600}",
    "é",
    "\"",
    "'",
    "{",
    "[",
    "}",
    "]",
    ":",
    "=",
    "#",
    "-",
    "&a [*a]",
    "*a",
    "!!binary x",
    "\\u0000",
    "\\ud800",
    "1e999",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551616",
    "null",
];

/// One change of a text.
#[derive(Debug, Clone)]
enum Change {
    Cut(Index),
    Remove(Index, usize),
    Insert(Index, &'static str, usize),
    Byte(Index, u8),
    RepeatLine(Index),
    SwapLines(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        1 => at().prop_map(Change::Cut),
        2 => (at(), 1_usize..20).prop_map(|(at, length)| Change::Remove(at, length)),
        4 => (at(), select(&ODD[..]), prop_oneof![8 => Just(1_usize), 1 => 2_usize..300])
            .prop_map(|(at, odd, times)| Change::Insert(at, odd, times)),
        3 => (at(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        1 => at().prop_map(Change::RepeatLine),
        1 => (at(), at()).prop_map(|(one, other)| Change::SwapLines(one, other)),
    ]
}

fn changed(text: &[u8], change: &Change) -> Vec<u8> {
    let place = |at: &Index| at.index(text.len() + 1);
    let put = |at: usize, new: &[u8], end: usize| [&text[..at], new, &text[end.min(text.len())..]].concat();
    let mut lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    match change {
        Change::Cut(at) => text[..place(at)].to_vec(),
        Change::Remove(at, length) => put(place(at), b"", place(at) + length),
        Change::Insert(at, odd, times) => put(place(at), odd.repeat(*times).as_bytes(), place(at)),
        Change::Byte(at, byte) => put(place(at), &[*byte], place(at) + 1),
        Change::RepeatLine(at) if !lines.is_empty() => {
            let at = at.index(lines.len());
            lines.insert(at, lines[at]);
            lines.concat()
        }
        Change::SwapLines(one, other) if !lines.is_empty() => {
            let (one, other) = (one.index(lines.len()), other.index(lines.len()));
            lines.swap(one, other);
            lines.concat()
        }
        Change::RepeatLine(_) | Change::SwapLines(..) => text.to_vec(),
    }
}

/// Some of the texts, changed up to five times.
fn broken(good: Vec<String>) -> impl Strategy<Value = Vec<u8>> {
    (select(good), proptest::collection::vec(change(), 0..6))
        .prop_map(|(good, changes)| changes.iter().fold(good.into_bytes(), |text, change| changed(&text, change)))
}

/// Tries a law, and says how many cases it saw; some are taken, and some are refused in one plain line.
fn hold<S: Strategy>(law: &str, cases: u32, of: &S, read: impl Fn(S::Value) -> Result<(), String>) {
    let times =
        std::env::var("REALMCTL_FUZZ").map_or(1, |times| times.parse().expect("REALMCTL_FUZZ is a whole number"));
    let config = Config { cases: cases.saturating_mul(times), failure_persistence: None, ..Config::default() };
    let (tried, taken) = (AtomicU64::new(0), AtomicU64::new(0));
    let held = TestRunner::new(config).run(of, |value| {
        let begun = Instant::now();
        tried.fetch_add(1, Relaxed);
        match read(value) {
            Ok(()) => drop(taken.fetch_add(1, Relaxed)),
            Err(told) => {
                prop_assert!(!told.trim().is_empty(), "nothing is said");
                prop_assert!(!told.contains(char::is_control), "{:?}", told);
                prop_assert!(told.len() < 8_000, "{} bytes are said", told.len());
            }
        }
        prop_assert!(begun.elapsed() < LONGEST, "{:?}", begun.elapsed());
        Ok(())
    });
    held.unwrap_or_else(|error| panic!("{law}: {error}"));
    let (tried, taken) = (tried.into_inner(), taken.into_inner());
    println!("{law}: {tried} cases, {taken} of them taken");
    assert!(taken > 0 && taken < tried, "{law}: some are good and some are not");
}

/// Command lines of which the last word is broken, each with good ones.
const ARGUMENTS: [(&str, &str, &[&str]); 12] = [
    ("durations", "serve --store sqlite:x --lease", &["30s", "1h30m", "500ms", "10min", "2d", "9223372036854775807s"]),
    ("budgets", "move acme --to eu --budget", &["10m", "1s", "2h"]),
    ("lifetimes", "token create kim --role viewer --expires", &["90d", "never", "18446744073709551615ms"]),
    (
        "times",
        "move acme --to eu --at",
        &["2026-12-01T02:00:00Z", "+2h", "now", "2026-12-01T02:00:00+01:00[Europe/Paris]"],
    ),
    ("windows", "move acme --to eu --window", &["+1h/+3h", "2026-12-01T02:00:00Z/2026-12-01T04:00:00Z"]),
    ("numbers", "serve --store sqlite:x --requests-per-second", &["0", "500", "1000000"]),
    ("numbers of entries", "audit export --after", &["0", "120000", "9223372036854775807"]),
    (
        "heads",
        "audit verify --head",
        &[
            "7:00000000000000000000000000000000000000000000000000000000000000ff",
            "9223372036854775807:00000000000000000000000000000000000000000000000000000000000000FF",
        ],
    ),
    ("ids", "moves show", &["0199f3a1-7c00-7000-8000-000000000001", "0199"]),
    ("roles", "token create kim --role", &["viewer", "oncall", "admin"]),
    ("states", "moves list --state", &["scheduled", "waiting", "offline"]),
    ("options", "moves list", &["--limit=5", "--output=json"]),
];

#[test]
fn broken_arguments_are_refused_in_one_plain_line() {
    let command = Mutex::new(Cli::command());
    for (law, line, good) in ARGUMENTS {
        let good: Vec<String> = good.iter().map(|good| (*good).to_owned()).collect();
        hold(law, 250, &broken(good), |word| {
            // The operating system gives no word with a zero byte.
            let word: Vec<u8> = word.into_iter().filter(|byte| *byte != 0).collect();
            let word = std::os::unix::ffi::OsStringExt::from_vec(word);
            let words = std::iter::once("realmctl").chain(line.split(' ')).map(std::ffi::OsString::from);
            let read = command.lock().expect("nobody panics").try_get_matches_from_mut(words.chain([word]));
            read.and_then(|matches| Cli::from_arg_matches(&matches)).map(drop).or_else(in_one_line)
        });
    }
}

/// The message of a wrong command line, as far as words that were typed stand in it.
fn in_one_line(error: clap::Error) -> Result<(), String> {
    if !error.use_stderr() {
        // Help was asked for.
        return Ok(());
    }
    let told = misuse::in_plain_text(error).to_string();
    let mut lines = told.lines();
    let first = lines.next().unwrap_or_default().to_owned();
    // What clap adds begins a line of its own and is indented, or names the usage or the help.
    let is_own = |line: &str| {
        line.is_empty() || ["  ", "Usage: ", "For more information"].iter().any(|begin| line.starts_with(begin))
    };
    let odd: Vec<&str> = lines.filter(|line| !is_own(line) || line.contains(char::is_control)).collect();
    if odd.is_empty() { Err(first) } else { Err(told) }
}

#[test]
fn every_duration_that_is_read_can_be_told() {
    let durations = "[0-9]{1,20}(ms|s|m|min|h|d)([0-9]{1,6}(ms|s|m|h))?";
    hold("durations that are told", 1_000, &durations, |text| {
        let read = format::parse_duration(&text)?;
        assert!(!format::duration(read).is_empty());
        Ok(())
    });
}

/// An export of five entries and its head.
fn export() -> (String, (i64, String)) {
    let mut lines = Vec::new();
    let mut before = String::new();
    for seq in 1..=5_i64 {
        let entry = AuditEntry {
            id: format!("0199f3a1-7c00-7000-8000-00000000000{seq}"),
            at: seq * 1_000,
            who: "kim".to_owned(),
            origin: "10.0.0.1".to_owned(),
            action: "move.start".to_owned(),
            tenant: (seq % 2 == 0).then(|| "acme".to_owned()),
            why: "asked \u{202e} for".to_owned(),
            before: json!(null),
            after: json!({ "move": seq, "to": ["eu"], "share": 0.5 }),
        };
        before = digest(&before, &entry);
        let at = Timestamp::from_millisecond(entry.at).expect("a time").to_string();
        let line = json!({
            "seq": seq, "digest": before, "id": entry.id, "at": at, "who": entry.who, "origin": entry.origin,
            "action": entry.action, "tenant": entry.tenant, "why": entry.why, "before": entry.before, "after": entry.after,
        });
        lines.push(line.to_string() + "\n");
    }
    let head =
        json!({ "head": { "seq": 5, "digest": before, "sealedAt": null, "unsealed": 0, "oldestUnsealedMs": null } });
    (lines.concat() + &head.to_string() + "\n", (5, before))
}

#[test]
fn a_broken_export_is_refused_or_found_out() {
    let (whole, kept) = export();
    let said = |error: &dyn std::fmt::Display| Failure::usage(format!("--file x: {error}"));
    let is_kept = std::slice::from_ref(&kept);
    let good = chain::check(whole.as_bytes(), is_kept, said).expect("it is an export");
    assert!(good.findings.is_empty() && good.entries == 5, "{good:?}");
    hold("exports of the audit trail", 500, &broken(vec![whole.clone()]), |export| {
        let checked = chain::check(export.as_slice(), is_kept, said).map_err(|failure| failure.message)?;
        let told = chain::in_words(&checked);
        assert_eq!(told.lines().count(), checked.findings.len().max(1), "a line each: {told:?}");
        assert!(!told.replace('\n', "").contains(char::is_control), "{told:?}");
        // Beside a head that was kept, what is accepted is what was sealed.
        assert!(!checked.findings.is_empty() || checked.entries == 5, "{checked:?}");
        Ok(())
    });
    let heads = (any::<i64>(), "[0-9a-f]{64}", any::<i64>(), any::<i64>());
    hold("heads that were kept, and numbers of entries", 500, &heads, |(kept, digest, first, last)| {
        let ends = [kept, kept.saturating_add(1), first, last, i64::MAX, i64::MIN, 0];
        let numbered = |seq: i64| {
            let line = whole.lines().next().expect("an entry");
            line.replacen("\"seq\":1", &format!("\"seq\":{seq}"), 1) + "\n"
        };
        let head = whole.lines().last().expect("a head").replacen("\"seq\":5", &format!("\"seq\":{last}"), 1);
        let export = ends.map(numbered).concat() + if first % 8 == 0 { "" } else { &head };
        let kept = [(kept, digest.clone()), (i64::MAX, digest)];
        chain::check(export.as_bytes(), &kept, said).map(drop).map_err(|failure| failure.message)
    });
}

#[test]
fn a_line_without_an_end_is_not_read_to_its_end() {
    let said = |error: &dyn std::fmt::Display| Failure::usage(error.to_string());
    let told = chain::check(std::io::BufReader::new(std::io::repeat(b'[')), &[], said).expect_err("it is no export");
    assert!(told.message.contains("longer than 16 MiB"), "{told:?}");
    for read in
        [|file: &Path| token_keys::read(file).map(drop), |file: &Path| process::read_hook_secrets(file).map(drop)]
    {
        let told = read(Path::new("/dev/zero")).expect_err("there is no end").message;
        assert!(told.ends_with("longer than 1 MiB, which no secrets are"), "{told}");
    }
}

const PROFILES: &str = "version: 1
current: prod
profiles:
  prod: { server: 'https://realms.example', token: s3sam3-of-prod }
  test:
    server: http://127.0.0.1:8642
";

#[test]
fn broken_profiles_and_secrets_are_refused_without_their_text() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    let write = |text: &[u8]| {
        let mut opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&file);
        opened.as_mut().expect("it opens").write_all(text).expect("it is written");
    };
    write(b"");
    std::fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("it is of this user alone");
    let told = |failure: Failure| {
        assert!(!failure.message.contains("s3sam3"), "{}", failure.message);
        failure.message
    };
    hold("files of profiles", 400, &broken(vec![PROFILES.to_owned()]), |text| {
        write(&text);
        profiles::read(&file).map(drop).map_err(told)
    });
    let keys = vec!["# the newest\ns3sam3-0123456789abcdef\n\ns3sam3-fedcba9876543210\n".to_owned()];
    hold("files of token keys", 300, &broken(keys), |text| {
        write(&text);
        token_keys::read(&file).map(drop).map_err(told)
    });
    let secrets = vec!["# hooks\ndefault = s3sam3-0123456789abcdef\nwiki=s3sam3=fedcba9876543210\n".to_owned()];
    hold("files of hook secrets", 300, &broken(secrets), |text| {
        write(&text);
        process::read_hook_secrets(&file).map(drop).map_err(told)
    });
}
