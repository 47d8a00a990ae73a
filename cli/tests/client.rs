//! Client commands against a server of their own: the JSON they print, and how they end.

mod common;

use common::world::{TOPOLOGY, World};
use common::{Up, command, run};
use serde_json::{Value, json};

const LATER: &str = "2126-01-01T00:00:00Z";

/// The names of an object's fields.
fn fields(value: &Value) -> Vec<&str> {
    value.as_object().map(|fields| fields.keys().map(String::as_str).collect()).unwrap_or_default()
}

#[test]
fn topologies_in_json() {
    let world = World::new(&[]);
    let file = world.file("topology.yaml", TOPOLOGY);
    let again = world.server.json(&["topology", "apply", &file]);
    assert_eq!((&again["version"], &again["changed"]), (&json!(1), &json!(false)));
    let shown = world.server.json(&["topology", "show"]);
    assert_eq!(fields(&shown), ["appliedAt", "appliedBy", "hash", "topology", "version"]);
    let checked = world.server.json(&["topology", "check", &file]);
    let nothing = json!([]);
    let expected =
        json!({ "hash": shown["hash"], "problems": nothing, "consequences": nothing, "server": world.server.url });
    assert_eq!(checked, expected);
    // Alone the file is fine; it would strand acme.
    let stranding = TOPOLOGY.replace("issues-us,", "issues-usa,");
    let file = world.file("stranding.yaml", &stranding);
    common::realmctl(&["topology", "check", &file]).ends_with(0);
    let ran = world.server.ask(&["topology", "check", &file]).ends_with(3);
    assert!(ran.stderr.contains("issues-us"), "{ran:#?}");
    assert_eq!(world.server.json(&["topology", "show"])["version"], json!(1));
}

#[test]
fn tenants_in_json_and_as_tables() {
    let world = World::new(&[]);
    let listed = world.server.json(&["tenants", "list", "--realm", "us"]);
    assert_eq!(listed["items"][0]["id"], json!("acme"));
    assert_eq!(world.server.json(&["tenants", "list", "--realm", "eu"]), json!({ "items": [], "nextCursor": null }));
    let shown = world.server.json(&["tenants", "show", "acme"]);
    assert_eq!(shown["placements"], json!([{ "service": "issues", "shard": "issues-us" }]));
    assert_eq!(shown["ledger"][0]["state"], json!("live"));
    let table = world.server.ask(&["tenants", "list"]).ends_with(0).stdout;
    assert_eq!(table.lines().next(), Some("ID    HOST          REALM  STATUS  AGE"));
}

#[test]
fn a_move_from_its_plan_to_its_end_in_json() {
    let world = World::new(&[]);
    let server = &world.server;
    let plan = server.json(&["move", "acme", "--to", "eu", "--dry-run"]);
    assert_eq!(plan["needsOffline"], json!(true));
    assert_eq!(plan["plan"][0]["add"], json!(["eu-west-1"]));

    let start = ["move", "acme", "--to", "eu", "--at", LATER, "--budget", "10m", "--reason", "ticket 7"];
    let started = server.json(&start);
    let id = started["id"].as_str().expect("a move has an id");
    for field in [
        "id",
        "tenant",
        "from",
        "to",
        "state",
        "plan",
        "planHash",
        "offlineMs",
        "copied",
        "verified",
        "removals",
        "startedAt",
        "finishedAt",
        "error",
    ] {
        assert!(fields(&started).contains(&field), "{field} is missing: {started}");
    }
    assert_eq!((&started["state"], &started["reason"]), (&json!("scheduled"), &json!("ticket 7")));
    assert_eq!(started["planHash"], plan["planHash"]);
    assert_eq!(server.json(&start)["id"], started["id"], "the same request finds the first");

    let other = server.ask(&["move", "acme", "--to", "eu"]).ends_with(3);
    assert!(other.stderr.contains(&format!("realmctl moves cancel {id}")), "{other:#?}");
    assert_eq!(server.json(&["moves", "list", "--tenant", "acme"])["items"][0]["id"], started["id"]);
    assert_eq!(server.json(&["moves", "list", "--state", "failed"])["items"], json!([]));
    assert_eq!(server.json(&["moves", "show", id])["to"], json!("eu"));

    let cancelled = server.json(&["moves", "cancel", id, "--reason", "wrong tenant"]);
    assert_eq!(cancelled["state"], json!("rolled_back"));
    let watched = server.ask(&["moves", "watch", id, "--output", "json"]).ends_with(4);
    assert_eq!(watched.json()["state"], json!("rolled_back"));
    assert!(watched.stderr.contains("Tenant acme is online in realm us."), "{watched:#?}");
}

#[test]
fn a_campaign_from_its_plan_to_its_end() {
    let world = World::new(&[]);
    let server = &world.server;
    let file = world.file("tenants.txt", "# moved in spring\nacme\n\nnobody\n");
    let create = ["campaigns", "create", "--to", "eu", "--tenants-file", &file, "--window", "22:00-04:00"];
    let plan = server.json(&[&create[..], &["--dry-run"]].concat());
    assert_eq!(
        (&plan["total"], &plan["moves"], &plan["skipped"][0]["tenant"]),
        (&json!(2), &json!(1), &json!("nobody"))
    );
    let table = server.ask(&[&create[..], &["--dry-run"]].concat()).ends_with(0).stdout;
    assert!(table.contains("1 unknown_tenant"), "{table}");
    // Half a day away from now, whenever that is: it starts nothing.
    let hour: u32 = server.json(&["tenants", "show", "acme"])["createdAt"].as_str().expect("a time")[11..13]
        .parse()
        .expect("an hour");
    let window = format!("{:02}:00-{:02}:00", (hour + 12) % 24, (hour + 13) % 24);
    let create =
        ["campaigns", "create", "--to", "eu", "--from-realm", "us", "--max-failures", "5%", "--window", &window];
    let created = server.json(&create);
    let id = created["id"].as_str().expect("a campaign has an id");
    assert_eq!((&created["total"], &created["maxFailures"], &created["waiting"]), (&json!(1), &json!("5%"), &json!(1)));
    assert_eq!(server.json(&["campaigns", "members", id])["items"][0]["tenant"], json!("acme"));
    let listed = server.ask(&["campaigns", "list"]).ends_with(0).stdout;
    assert!(listed.contains(id) && listed.lines().count() == 2, "{listed}");
    assert_eq!(server.json(&["campaigns", "pause", id])["state"], json!("paused"));
    let shown = server.ask(&["campaigns", "show", id]).ends_with(0).stdout;
    assert!(shown.contains(&format!("realmctl campaigns resume {id}")), "{shown}");
    assert_eq!(server.json(&["campaigns", "resume", id])["state"], json!("running"));
    server.json(&["campaigns", "cancel", id, "--cancel-running", "--reason", "wrong realm"]);
    let watched = server.ask(&["campaigns", "watch", id, "--output", "json"]).ends_with(4);
    assert_eq!((&watched.json()["state"], &watched.json()["cancelled"]), (&json!("cancelled"), &json!(1)));
    let again = server.ask(&["campaigns", "resume", id]).ends_with(3);
    assert!(again.stderr.contains("is cancelled"), "{again:#?}");
}

#[test]
fn a_scheduled_move_is_given_a_window() {
    let world = World::new(&[]);
    let server = &world.server;
    let started = server.json(&["move", "acme", "--to", "eu", "--at", LATER, "--priority", "high"]);
    let id = started["id"].as_str().expect("a move has an id");
    assert_eq!(started["priority"], json!("high"));
    let window = "2126-02-01T02:00:00Z/2126-02-01T04:00:00Z";
    let moved = server.json(&["moves", "reschedule", id, "--window", window]);
    assert_eq!(moved["window"], json!({ "from": "2126-02-01T02:00:00.000Z", "to": "2126-02-01T04:00:00.000Z" }));
    let shown = server.ask(&["moves", "show", id]).ends_with(0).stdout;
    assert!(shown.contains("2126-02-01 02:00:00 UTC to 2126-02-01 04:00:00 UTC"), "{shown}");
}

#[test]
fn removals_in_json() {
    let world = World::new(&[]);
    let none = json!({ "items": [], "nextCursor": null });
    assert_eq!(world.server.json(&["removals", "list", "--failed"]), none);
    assert_eq!(world.server.json(&["removals", "replay", "--failed"]), json!({ "replayed": [] }));
    let ran = world.server.ask(&["removals", "replay", "--failed"]).ends_with(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.trim_end()), ("", "No failed removals to replay."));
}

#[test]
fn what_is_not_there_is_refused_with_the_next_step() {
    let world = World::new(&[]);
    let unknown = "0199f3a1-7c00-7000-8000-000000000001";
    let asked: [(&[&str], &str); 7] = [
        (&["tenants", "show", "nobody"], "realmctl tenants list"),
        (&["move", "nobody", "--to", "eu"], "realmctl tenants list"),
        (&["move", "acme", "--to", "mars", "--dry-run"], "realmctl topology show"),
        (&["tenants", "create", "b", "--host", "b.example", "--realm", "mars"], "realmctl topology show"),
        (&["moves", "watch", unknown], "realmctl moves list"),
        (&["moves", "cancel", unknown], "realmctl moves list"),
        (&["removals", "replay", unknown], "realmctl removals list"),
    ];
    for (args, next) in asked {
        let ran = world.server.ask(args).ends_with(3);
        assert!(ran.stderr.starts_with("error: ") && ran.stderr.contains(next), "{args:?}: {ran:#?}");
        assert!(ran.stdout.is_empty(), "{ran:#?}");
    }
}

#[test]
fn a_token_opens_the_door_and_is_never_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Up::serve(&folder.path().join("realmctl.db"), &["--token", "sesame-4711"]);
    let ran = server.ask(&["tenants", "list"]).ends_with(3);
    let said = |words: &str| ran.stderr.contains(words);
    assert!(said("REALMCTL_TOKEN") && said("none was given") && said(&server.url), "{ran:#?}");
    let wrong = server.ask(&["tenants", "list", "--token", "open"]).ends_with(3).stderr;
    assert!(wrong.contains("does not accept the token") && wrong.contains(&server.url), "{wrong}");
    let with =
        command(&["tenants", "list", "--server", &server.url, "-vv"]).env("REALMCTL_TOKEN", "sesame-4711").output();
    let with = with.expect("realmctl can be run");
    assert_eq!(with.status.code(), Some(0));
    assert!(!String::from_utf8_lossy(&with.stderr).contains("sesame"), "the token was logged");
}

#[test]
fn what_is_not_realmctl_is_told_from_it() {
    let region = testkit::Region::start("us-east-1", testkit::Storage::Memory, testkit::Ports::Any).expect("it starts");
    let ran = run(&mut command(&["tenants", "list", "--server", region.s3_endpoint()])).ends_with(1);
    assert!(ran.stderr.contains("is not a realmctl server"), "{ran:#?}");
}

#[test]
fn a_server_that_is_told_to_stop_ends_with_0() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Up::serve(&folder.path().join("realmctl.db"), &["--no-tasks"]);
    server.ask(&["tenants", "list"]).ends_with(0);
    assert_eq!(server.terminate().code(), Some(0));
}
