//! Golden files of what every command prints, one a command, in `tests/golden/expected/`: in terminals of 80, 120 and 160 columns, in a
//! pipe, and as JSON; and that each fails as it should. To accept new ones: `REALMCTL_UPDATE_GOLDEN=1 cargo test -p realmctl --test
//! golden`.

#[path = "golden/canned.rs"]
mod canned;
mod common;
#[path = "golden/scenes.rs"]
mod scenes;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use canned::{Answers, Canned};
use common::{Ran, command, realmctl, run};
use scenes::{CAMPAIGN, MOVE, OTHER_MOVE, REMOVAL, page};
use serde_json::{Value, json};

/// A command line, what the server answers it, and how it ends.
struct Case {
    name: &'static str,
    args: Vec<&'static str>,
    answers: Answers,
    exit: i32,
}

fn case(name: &'static str, args: &str, answers: Answers) -> Case {
    let args: &'static str = Box::leak(args.to_owned().into_boxed_str());
    Case { name, args: args.split(' ').collect(), answers, exit: 0 }
}

fn ends_with(exit: i32, case: Case) -> Case {
    Case { exit, ..case }
}

/// In the folder in which the commands run.
const FILE: &str = "topology.yaml";

fn get(path: &'static str, answer: Value) -> Answers {
    vec![(path, 200, answer)]
}

/// A path with an id in it.
fn at(path: &str, id: &str) -> &'static str {
    Box::leak(path.replace("ID", id).into_boxed_str())
}

fn of_moves() -> Vec<Case> {
    let of_move = |verb: &str, answer: Value| get(at(&format!("POST /v1/moves/ID/{verb}"), MOVE), answer);
    vec![
        case("move", "move acme --to eu", vec![("POST /v1/tenants/acme/moves", 202, scenes::scheduled())]),
        case(
            "move_dry-run",
            "move acme --to eu --dry-run --budget 2h",
            get("POST /v1/tenants/acme/moves", scenes::dry_run()),
        ),
        case("moves_list", "moves list", get("GET /v1/moves", scenes::moves())),
        case("moves_show", &format!("moves show {MOVE}"), get(at("GET /v1/moves/ID", MOVE), scenes::completed())),
        case("moves_show_running", &format!("moves show {MOVE}"), get(at("GET /v1/moves/ID", MOVE), scenes::running())),
        ends_with(
            4,
            case(
                "moves_watch",
                &format!("moves watch {OTHER_MOVE}"),
                [
                    get(at("GET /v1/moves/ID", OTHER_MOVE), scenes::rolled_back()),
                    get("GET /v1/tenants/globex-manufacturing", scenes::tenant()),
                ]
                .concat(),
            ),
        ),
        case(
            "moves_cancel",
            &format!("moves cancel {MOVE}"),
            [
                of_move("cancel", scenes::rolled_back()),
                get(at("GET /v1/moves/ID", MOVE), scenes::running()),
                get("GET /v1/tenants/globex-manufacturing", scenes::tenant()),
            ]
            .concat(),
        ),
        case("moves_pause", &format!("moves pause {MOVE}"), of_move("pause", scenes::scheduled())),
        case("moves_resume", &format!("moves resume {MOVE}"), of_move("resume", scenes::scheduled())),
        case("moves_retry", &format!("moves retry {MOVE}"), of_move("retry", scenes::running())),
        case(
            "moves_reschedule",
            &format!("moves reschedule {MOVE} --at +2h"),
            of_move("reschedule", scenes::scheduled()),
        ),
    ]
}

fn of_removals() -> Vec<Case> {
    let of_removal = |verb: &str| get(at(&format!("POST /v1/removals/ID/{verb}"), REMOVAL), scenes::removal());
    let removals = [get("GET /v1/removals", scenes::removals()), get("GET /v1/status", scenes::status())].concat();
    let replayed = {
        let mut replayed = scenes::removal();
        replayed["outcome"] = json!("replayed");
        replayed["state"] = json!("waiting");
        replayed
    };
    vec![
        case("removals_list", "removals list --failed", removals),
        case(
            "removals_show",
            &format!("removals show {REMOVAL}"),
            get(at("GET /v1/removals/ID", REMOVAL), scenes::removal()),
        ),
        case(
            "removals_replay",
            &format!("removals replay {REMOVAL}"),
            get(at("POST /v1/removals/ID/replay", REMOVAL), replayed),
        ),
        ends_with(
            3,
            case(
                "removals_replay_failed",
                "removals replay --failed",
                get(
                    "POST /v1/removals/replay",
                    json!({ "replayed": [REMOVAL], "refused": [{ "id": scenes::OTHER_REMOVAL, "code": "other_late_writes",
                            "detail": "what was found is not what was accepted" }] }),
                ),
            ),
        ),
        case("removals_pause", &format!("removals pause {REMOVAL}"), of_removal("pause")),
        case("removals_resume", &format!("removals resume {REMOVAL}"), of_removal("resume")),
        case("removals_retry", &format!("removals retry {REMOVAL}"), of_removal("retry")),
    ]
}

fn of_campaigns() -> Vec<Case> {
    let of_campaign = |verb: &str| get(at(&format!("POST /v1/campaigns/ID/{verb}"), CAMPAIGN), scenes::campaign());
    vec![
        case("campaigns_list", "campaigns list", get("GET /v1/campaigns", scenes::campaigns())),
        case(
            "campaigns_show",
            &format!("campaigns show {CAMPAIGN}"),
            get(at("GET /v1/campaigns/ID", CAMPAIGN), scenes::campaign()),
        ),
        case(
            "campaigns_members",
            &format!("campaigns members {CAMPAIGN}"),
            get(at("GET /v1/campaigns/ID/members", CAMPAIGN), scenes::members()),
        ),
        case(
            "campaigns_create_dry-run",
            "campaigns create --to eu --from-realm us --dry-run",
            get("POST /v1/campaigns", scenes::campaign_plan()),
        ),
        case(
            "campaigns_create",
            "campaigns create --to eu --from-realm us",
            vec![("POST /v1/campaigns", 202, scenes::campaign())],
        ),
        ends_with(
            1,
            case(
                "campaigns_watch",
                &format!("campaigns watch {CAMPAIGN}"),
                get(at("GET /v1/campaigns/ID", CAMPAIGN), scenes::campaign()),
            ),
        ),
        case("campaigns_pause", &format!("campaigns pause {CAMPAIGN}"), of_campaign("pause")),
        case("campaigns_resume", &format!("campaigns resume {CAMPAIGN}"), of_campaign("resume")),
        case("campaigns_cancel", &format!("campaigns cancel {CAMPAIGN}"), of_campaign("cancel")),
    ]
}

fn others() -> Vec<Case> {
    vec![
        case("status", "status", get("GET /v1/status", scenes::status())),
        case("workers_list", "workers list", get("GET /v1/workers", json!({ "items": scenes::workers() }))),
        case("tenants_list", "tenants list", get("GET /v1/tenants", scenes::tenants())),
        case("tenants_show", "tenants show acme", get("GET /v1/tenants/acme", scenes::tenant())),
        case(
            "tenants_create",
            "tenants create acme --host acme.example --realm eu",
            vec![("POST /v1/tenants", 201, scenes::tenant())],
        ),
        case(
            "tenants_pause",
            "tenants pause acme",
            get("POST /v1/tenants/acme/pause", scenes::pause("tenant:acme", true)),
        ),
        case(
            "tenants_resume",
            "tenants resume acme",
            get("POST /v1/tenants/acme/resume", scenes::pause("tenant:acme", false)),
        ),
        case(
            "audit_list",
            "audit list --tenant acme",
            [get("GET /v1/audit", scenes::audit()), get("GET /v1/tenants/acme", scenes::tenant())].concat(),
        ),
        case("explain", &format!("explain {MOVE}"), get(at("GET /v1/explain/ID", MOVE), scenes::explained_workflow())),
        case("explain_tenant", "explain acme", get("GET /v1/explain/acme", scenes::explained_tenant())),
        case("pause", "pause --all --reason incident", get("POST /v1/pause", scenes::pause("all", true))),
        case("resume", "resume --all", get("POST /v1/resume", scenes::pause("all", false))),
        case("pauses", "pauses", get("GET /v1/pauses", scenes::pauses())),
        case("limits_list", "limits list", get("GET /v1/limits", scenes::limits())),
        case("limits_set", "limits set region:eu-west-1 20", get("PUT /v1/limits", scenes::limit())),
        case("limits_unset", "limits unset region:us-east-1", get("DELETE /v1/limits", scenes::limits())),
        case("topology_show", "topology show", get("GET /v1/topology", scenes::topology_view())),
        case(
            "topology_check",
            &format!("topology check {FILE}"),
            get("PUT /v1/topology", scenes::topology_applied(None)),
        ),
        case(
            "topology_apply",
            &format!("topology apply {FILE} --accept"),
            get("PUT /v1/topology", scenes::topology_applied(Some(8))),
        ),
        case(
            "topology_rename-endpoint",
            "topology rename-endpoint eu-west-1 dynamodb https://dynamodb.eu.example",
            get("POST /v1/topology/rename-endpoint", scenes::topology_applied(Some(8))),
        ),
        case("errors", "errors clock_skew", Vec::new()),
        case("version", "version", Vec::new()),
    ]
}

fn of_tokens() -> Vec<Case> {
    vec![
        case(
            "token_create",
            "token create sign-up --role provisioner --realm eu --expires never",
            vec![("POST /v1/tokens", 201, scenes::created_token())],
        ),
        case("token_list", "token list", get("GET /v1/tokens", scenes::good_tokens())),
        case("token_list_all", "token list --all", get("GET /v1/tokens", scenes::tokens())),
        case("token_revoke", "token revoke sign-up", get("DELETE /v1/tokens/sign-up", scenes::revoked_token())),
        case("webhooks_list", "webhooks list", get("GET /v1/webhooks", scenes::webhooks())),
        case(
            "webhooks_deliveries",
            "webhooks deliveries --webhook billing",
            get("GET /v1/webhooks/deliveries", scenes::deliveries()),
        ),
        case(
            "webhooks_replay",
            &format!("webhooks replay {}", scenes::DELIVERY),
            get(
                concat!("POST /v1/webhooks/deliveries/", "0199f3a2-0d10-7e15-8000-5f0000000006", "/replay"),
                scenes::replayed_delivery(),
            ),
        ),
        case("sessions_list", "sessions list", get("GET /v1/sessions", scenes::sessions())),
        case(
            "sessions_revoke",
            "sessions revoke kim@example.com",
            get("DELETE /v1/sessions/kim@example.com", scenes::revoked_sessions()),
        ),
        case("audit_head", "audit head", get("GET /v1/audit/head", scenes::audit_head())),
    ]
}

fn of_approvals() -> Vec<Case> {
    let hash = "9f86d081884c7d659a2feaa0c55ad015";
    let ask = |verb: &str, more: &str| format!("approvals {verb} {}{more}", scenes::APPROVAL);
    let answer = |path: &str, state: &str| get(at(path, scenes::APPROVAL), scenes::approval(state));
    vec![
        case("approvals_list", "approvals list --all", get("GET /v1/approvals", scenes::approvals())),
        case("approvals_show", &ask("show", ""), answer("GET /v1/approvals/ID", "pending")),
        case(
            "approvals_approve",
            &ask("approve", &format!(" --hash {hash}")),
            answer("POST /v1/approvals/ID/approve", "approved"),
        ),
        case("approvals_decline", &ask("decline", ""), answer("POST /v1/approvals/ID/decline", "declined")),
        case("approvals_policy", "approvals policy", get("GET /v1/approval-policy", scenes::approval_policy())),
        case(
            "approvals_set-policy",
            "approvals set-policy --action move --action topology",
            get("PUT /v1/approval-policy", scenes::approval_policy()),
        ),
    ]
}

fn cases() -> Vec<Case> {
    of_moves()
        .into_iter()
        .chain(of_removals())
        .chain(of_campaigns())
        .chain(of_tokens())
        .chain(of_approvals())
        .chain(others())
        .collect()
}

/// Commands that are processes of their own, or print what is no table: other tests have them.
const ELSEWHERE: [&str; 19] = [
    "demo",
    "dev",
    "serve",
    "worker",
    "completions",
    "upgrade-check",
    "bench engine",
    "bench copy",
    "audit export",
    "audit verify",
    "bench catalogue",
    "bench api",
    "man",
    "config set",
    "config use",
    "config list",
    "config show",
    "config delete",
    "config path",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/expected")
}

/// Runs it against a server, in a terminal of this width or in a pipe.
fn ask(case: &Case, url: &str, columns: Option<&str>, more: &[&str]) -> Ran {
    let mut asked = command(&[case.args.as_slice(), more].concat());
    asked.env("REALMCTL_SERVER", url).env("REALMCTL_USER", "sam");
    asked.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden"));
    columns.map(|columns| asked.env("REALMCTL_COLUMNS", columns));
    run(&mut asked)
}

/// What a command prints, in all the ways in which it can be read.
fn printed(case: &Case) -> String {
    let server = Canned::serve(case.answers.clone());
    let port = server.url.rsplit(':').next().expect("a port").to_owned();
    let mut text = String::new();
    for (heading, columns, more) in [
        ("80 columns", Some("80"), &[][..]),
        ("120 columns", Some("120"), &[]),
        ("160 columns", Some("160"), &[]),
        ("in a pipe", None, &[]),
        ("--output json", None, &["--output", "json"]),
    ] {
        let ran = ask(case, &server.url, columns, more).ends_with(case.exit);
        let ran = Ran { stdout: ran.stdout.replace(&port, "8642"), stderr: ran.stderr.replace(&port, "8642"), ..ran };
        writeln!(text, "== {heading}\n{}", ran.stdout.trim_end()).expect("memory");
        if !ran.stderr.is_empty() {
            writeln!(text, "-- stderr\n{}", ran.stderr.trim_end()).expect("memory");
        }
        if let Some(columns) = columns.and_then(|columns| columns.parse::<usize>().ok()) {
            assert_eq!(too_wide(&ran.stdout, columns), None, "{}: {heading}", case.name);
        }
        if !more.is_empty() {
            ran.json();
            ran.stderr.lines().for_each(|line| drop(serde_json::from_str::<Value>(line).expect("each line is JSON")));
        }
    }
    // What lists show as an age is a time in JSON: those times have no fractions of a second, and all others have.
    let is_age = |line: &str| line.trim_end_matches(',').ends_with("Z\"") && !line.contains('.');
    text.lines()
        .map(|line| if is_age(line) { "…" } else { line })
        .fold(String::new(), |all, line| all + line.trim_end() + "\n")
}

/// A line that is wider than the terminal, though neither a command nor, in its block, a word that takes much of a line: both stay whole.
fn too_wide(stdout: &str, columns: usize) -> Option<&str> {
    let is_long = |word: &str| word.chars().count() > columns * 3 / 10;
    let blocks = stdout.split("\n\n").filter(|block| !block.split_whitespace().any(is_long));
    blocks.flat_map(str::lines).find(|line| line.chars().count() > columns && !line.contains("realmctl "))
}

#[test]
fn what_every_command_prints_is_as_recorded() {
    let update = std::env::var_os("REALMCTL_UPDATE_GOLDEN").is_some();
    let mut recorded = BTreeSet::new();
    let mut differ = Vec::new();
    for case in cases() {
        let file = folder().join(format!("{}.txt", case.name));
        let text = printed(&case);
        if update {
            std::fs::write(&file, &text).expect("the golden file can be written");
        }
        if std::fs::read_to_string(&file).unwrap_or_default() != text {
            differ.push(format!("{} differs:\n{text}", file.display()));
        }
        recorded.insert(file);
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    for file in std::fs::read_dir(folder()).expect("the folder is there").map(|entry| entry.expect("readable").path()) {
        assert!(recorded.contains(&file), "{} belongs to no command any more", file.display());
    }
}

#[test]
fn every_command_has_a_golden_file() {
    let cases = cases();
    let known: Vec<String> = cases.iter().map(|case| case.args.join(" ")).collect();
    let mut open = vec![Vec::<String>::new()];
    let mut seen = 0;
    while let Some(path) = open.pop() {
        let args: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let below = common::commands_in(&realmctl(&args).ends_with(0).stdout);
        let line = path.join(" ");
        if below.is_empty() && !ELSEWHERE.contains(&line.as_str()) {
            seen += 1;
            assert!(
                known.iter().any(|known| *known == line || known.starts_with(&format!("{line} "))),
                "`{line}` has none"
            );
        }
        open.extend(below.into_iter().map(|command| [path.clone(), vec![command]].concat()));
    }
    assert!(seen > 30, "only {seen} commands were found");
}

#[test]
fn every_command_fails_in_words_and_in_json() {
    let detail =
        "the database is not available. Whether a change was made is not known: repeat the same request, which is safe";
    let server = Canned::failing(503, "catalogue_unavailable", detail);
    for case in cases().iter().filter(|case| !["version", "errors"].contains(&case.name)) {
        let ran = ask(case, &server.url, None, &[]).ends_with(1);
        assert_eq!(
            (ran.stdout.as_str(), ran.stderr.trim_end()),
            ("", format!("error: {detail}").as_str()),
            "{}",
            case.name
        );
        let ran = ask(case, &server.url, None, &["--output", "json"]).ends_with(1);
        let error: Value =
            serde_json::from_str(ran.stderr.trim_end()).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
        let expected = json!({ "error": { "code": "catalogue_unavailable", "message": detail, "exit": 1 } });
        assert_eq!((ran.stdout.as_str(), error), ("", expected), "{}", case.name);
    }
}

#[test]
fn a_wrong_command_line_fails_in_json_as_well() {
    let ran = realmctl(&["limits", "set", "overall", "abc", "--output", "json"]).ends_with(2);
    let error: Value = serde_json::from_str(ran.stderr.trim_end()).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    assert_eq!((error["error"]["code"].as_str(), error["error"]["exit"].as_i64()), (Some("usage"), Some(2)));
    let message = error["error"]["message"].as_str().expect("words");
    assert!(message.contains("expected a whole number from 0 to 1,000,000"), "{message}");
    let help = realmctl(&["--help", "--output", "json"]).ends_with(0);
    assert!(help.stdout.contains("Examples:"), "help is help");
}

#[test]
fn an_id_may_be_given_by_its_beginning() {
    let named = |id: &str, kind: &str| json!({ "id": id, "kind": kind, "tenant": "acme", "state": "failed" });
    let answers = [
        get("GET /v1/ids/0199f3a1-7c00", json!({ "items": [named(MOVE, "move")] })),
        get("GET /v1/ids/0199f3a1-8", json!({ "items": [named(MOVE, "move")], "more": true })),
        get("GET /v1/ids/0199f3a1-7", json!({ "items": [named(MOVE, "move"), named(OTHER_MOVE, "move")] })),
        get("GET /v1/ids/0199ffff", page(&[])),
        get(Box::leak(format!("GET /v1/moves/{MOVE}").into_boxed_str()), scenes::completed()),
    ]
    .concat();
    let server = Canned::serve(answers);
    let show = |id: &'static str| ask(&case("", &format!("moves show {id}"), Vec::new()), &server.url, None, &[]);
    assert!(show("0199f3a1-7c00").ends_with(0).stdout.contains(MOVE));
    let several = show("0199f3a1-7").ends_with(3).stderr;
    assert!(several.contains(MOVE) && several.contains(OTHER_MOVE), "{several}");
    show("0199f3a1-8").ends_with(3);
    show("0199ffff").ends_with(3);
    assert!(show("0199f3a").ends_with(2).stderr.contains("at least 8 characters"));
    let older = Canned::failing(404, "unknown_route", "there is nothing at this path");
    let ask_older = |args: &str| ask(&case("", args, Vec::new()), &older.url, None, &[]).ends_with(3).stderr;
    assert!(ask_older("status").contains("earlier version"), "said plainly");
}
