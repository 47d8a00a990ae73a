//! P10: the stored form of every state of a move, a removal and a campaign, and of every task's input. The golden files are what
//! databases in use hold: a change that breaks one strands somebody's running move. Add states and optional fields; never
//! rename or remove. `UPDATE_GOLDEN=1 cargo test -p workflows --test stored_states` writes the files of new states.

use std::path::PathBuf;

use catalogue::location::{Address, Location};
use engine::{Priority, StoredError, Workflow};
use serde::Serialize;
use serde::de::DeserializeOwned;
use workers::Verification;
use workers::late_writes::LateWrites;
use workers::progress::Tally;
use workflows::actor::Actor;
use workflows::amount::Amount;
use workflows::campaign::{self, Allowance, Campaign, CampaignOptions, CampaignStage, CampaignState};
use workflows::data_tasks::{CompareInput, CopyInput, LeftReplica, RemoveInput, VerifyInput};
use workflows::partitioning::Partitioning;
use workflows::plan::{Plan, ServicePlan};
use workflows::provision::{self, Provision, ProvisionStage, ProvisionState};
use workflows::realm_move::{
    self, Committed, ComparedPart, CopiedPart, MoveState, OfflinePeriod, Pace, RealmMove, Stage, Window,
};
use workflows::removal::RemovalRef;
use workflows::removal::{
    self, Cause, Recheck, RecheckStage, RecheckState, Removal, RemovalStage, RemovalState, VerifiedPart,
};
use workflows::replica_sets::{Member, ReplicaSets};

#[test]
fn every_state_of_a_move_is_read_as_it_was_stored() {
    let mut names = Vec::new();
    for stage in stages() {
        let state = MoveState { stage, ..a_move() };
        let name = RealmMove::name(&state);
        same_as_golden(&format!("move_{name}"), &state);
        names.push(name);
    }
    names.sort_unstable();
    let mut all = realm_move::STATES.to_vec();
    all.sort_unstable();
    assert_eq!(names, all, "every state has a golden file");
}

#[test]
fn every_state_of_a_removal_is_read_as_it_was_stored() {
    let stages = [
        RemovalStage::Waiting { until: Some(1_700_000_095_000) },
        RemovalStage::Comparing,
        RemovalStage::Removing,
        RemovalStage::Done { removed: amount() },
        RemovalStage::Failed { error: error() },
    ];
    let mut names = Vec::new();
    for stage in stages {
        let state = RemovalState { stage, ..a_removal() };
        let name = Removal::name(&state);
        same_as_golden(&format!("removal_{name}"), &state);
        names.push(name);
    }
    assert_eq!(names, removal::STATES);
    let verified = Some(vec![VerifiedPart { part: 7, bounds: Vec::new(), tally: tally() }]);
    let waits_for = Some("issue-service at us-east-1 to be quiet".to_owned());
    let parts = Some(vec![VerifiedPart { part: 1, bounds: vec!["m".to_owned()], tally: tally() }]);
    same_as_golden("removal_divided", &RemovalState { verified: parts, ..a_removal() });
    let full = RemovalState { verified, accept_late_writes: true, waits_for, ..a_removal() };
    same_as_golden("removal_with_late_writes_accepted", &full);
    let late = Some(LateWrites { added: 3, changed: 2, deleted: 1, uncertain: 1, strays: 1, digest: tally().digest });
    let accepted = Some("0123456789abcdef".to_owned());
    same_as_golden(
        "removal_that_found_late_writes",
        &RemovalState {
            late,
            accepted,
            unread: true,
            compared_again: 2,
            left_behind: true,
            begun: true,
            ..a_removal()
        },
    );
    let follows = Some(table("us-east-1").key());
    same_as_golden("removal_that_follows_another", &RemovalState { follows, first_is_empty: true, ..a_removal() });
    let compared = Some(vec![VerifiedPart { part: 7, bounds: Vec::new(), tally: tally() }]);
    same_as_golden("removal_of_a_compared_replica", &RemovalState { verified: None, compared, ..a_removal() });
    same_as_golden("cause_rolled_back", &Cause::RolledBack { move_id: "m-1".to_owned() });
}

#[test]
fn every_state_of_a_recheck_is_read_as_it_was_stored() {
    let stages =
        [RecheckStage::Waiting, RecheckStage::Done, RecheckStage::Found, RecheckStage::Failed { error: error() }];
    let mut names = Vec::new();
    for stage in stages {
        let state = RecheckState {
            removal: "r-1".to_owned(),
            service: "issue-service".to_owned(),
            location: table("us-east-1"),
            generation: 3,
            stage,
        };
        let name = Recheck::name(&state);
        same_as_golden(&format!("recheck_{name}"), &state);
        names.push(name);
    }
    assert_eq!(names, removal::RECHECK_STATES);
}

#[test]
fn every_state_of_a_campaign_is_read_as_it_was_stored() {
    let by = || Actor::new("ada", "an incident");
    let stages = [
        CampaignStage::Running,
        CampaignStage::Resting { until: 1_700_000_095_000 },
        CampaignStage::Paused { by: by() },
        CampaignStage::Halted { error: error() },
        CampaignStage::Cancelling { by: by() },
        CampaignStage::Completed,
        CampaignStage::Cancelled { by: by() },
    ];
    let mut names = Vec::new();
    for stage in stages {
        let state = CampaignState { stage, ..a_campaign() };
        let name = Campaign::name(&state);
        same_as_golden(&format!("campaign_{name}"), &state);
        names.push(name);
    }
    assert_eq!(names, campaign::STATES);
}

/// What a move may also hold, on top of what every version has stored.
#[test]
fn what_a_move_may_also_hold_is_read_as_it_was_stored() {
    let pace = |json: &str| serde_json::from_str::<Pace>(json).expect("a pace");
    let full = pace(
        r#"{ "looked": 1700000060000,
             "items": { "begun": { "at": 1700000010000, "done": 0 }, "recent": { "at": 1700000030000, "done": 400 },
                        "next": { "at": 1700000050000, "done": 900 }, "grown": { "at": 1700000060000, "done": 1000 } },
             "projected_end": 1700003000000, "over": 1 }"#,
    );
    let offline = OfflinePeriod { epoch: 12, since: 1_700_000_000_000, deadline: 1_700_003_600_000 };
    let scheduled = MoveState {
        at: None,
        window: Some(Window { from: 1_700_000_000_000, to: 1_700_007_200_000 }),
        priority: Priority::High,
        campaign: Some("c-1".to_owned()),
        ..a_move()
    };
    same_as_golden("move_scheduled_by_a_campaign", &scheduled);
    let copying = MoveState { stage: Stage::AddData { offline, pace: full }, ..a_move() };
    same_as_golden("move_add_data_projected", &copying);
    let bucket = pace(
        r#"{ "looked": 1700000060000,
             "bytes": { "begun": { "at": 1700000010000, "done": 0 }, "recent": { "at": 1700000030000, "done": 400000 },
                        "next": { "at": 1700000050000, "done": 900000 }, "grown": { "at": 1700000060000, "done": 1000000 } },
             "objects": { "begun": { "at": 1700000010000, "done": 0 }, "recent": { "at": 1700000030000, "done": 67508864 },
                        "next": { "at": 1700000050000, "done": 135017728 }, "grown": { "at": 1700000060000, "done": 168672160 } },
             "projected_end": 1700003000000, "over": 0 }"#,
    );
    let offline = OfflinePeriod { epoch: 12, since: 1_700_000_000_000, deadline: 1_700_003_600_000 };
    let copying = MoveState { stage: Stage::AddData { offline, pace: bucket }, ..a_move() };
    same_as_golden("move_add_data_projected_objects", &copying);
    let partitioning = serde_json::from_str(r#"{ "media-service": ["m"] }"#).expect("bounds by service");
    let part = |mode: &str| {
        serde_json::json!({
            "service": "issue-service", "location": "eu-west-1", "part": 7, "mode": mode, "items": 1200, "objects": 0,
            "bytes": 987_654, "sourceDigest": "ab".repeat(32), "readBack": 100, "passes": 1, "tookMs": 950,
        })
    };
    let report = serde_json::from_value(serde_json::json!([part("sampled"), part("off")])).expect("two parts");
    let committed = Committed { offline_ms: 95_000, copied: amount(), verified: true, removals: Vec::new(), report };
    let stage = Stage::Completed { committed, warnings: Vec::new() };
    same_as_golden("move_sampled", &MoveState { verification: Verification::Sampled, stage, ..a_move() });
    let compared = vec![ComparedPart {
        service: "activity-service".to_owned(),
        at: table("us-east-1").key(),
        part: 7,
        bounds: Vec::new(),
        tally: tally(),
    }];
    let stage = Stage::Commit { offline: None, copied: Vec::new(), report: Vec::new(), compared };
    same_as_golden("move_commit_leaving_a_replica", &MoveState { stage, ..a_move() });
    let member =
        |at: &str, by: &str| Member { service: "profile-service".to_owned(), at: table(at).key(), by: table(by).key() };
    let sets = ReplicaSets {
        filled: vec![member("ap-south-1", "eu-west-1")],
        emptied: vec![member("us-west-2", "us-east-1")],
    };
    same_as_golden("move_between_replica_sets", &MoveState { sets, ..a_move() });
    same_as_golden("move_divided", &MoveState { partitioning, ..a_move() });
}

#[test]
fn every_state_of_the_creation_of_a_tenant_is_read_as_it_was_stored() {
    let removal =
        RemovalRef { id: "r-1".to_owned(), service: "editor-service".to_owned(), location: "eu-west-1".to_owned() };
    let stages = [
        ProvisionStage::Preparing,
        ProvisionStage::Undoing { error: error() },
        ProvisionStage::Online,
        ProvisionStage::Undone { error: error(), removals: vec![removal] },
    ];
    let mut names = Vec::new();
    for stage in stages {
        let actor = Actor::new("pro", "contract 4711");
        let state = ProvisionState { actor, stage };
        let name = Provision::name(&state);
        same_as_golden(&format!("provision_{name}"), &state);
        names.push(name);
    }
    assert_eq!(names, provision::STATES);
    same_as_golden("cause_not_created", &Cause::NotCreated { provision_id: "p-1".to_owned() });
}

#[test]
fn every_task_is_read_as_it_was_stored() {
    let (tenant, service) = ("acme".to_owned(), "issue-service".to_owned());
    let copy = CopyInput {
        tenant: tenant.clone(),
        service: service.clone(),
        from: table("us-east-1"),
        to: table("eu-west-1"),
        part: 7,
        bounds: Vec::new(),
        generation: 3,
        epoch: 12,
        deadline: 1_700_003_600_000,
        verification: Verification::Full,
        key_prefix: None,
    };
    let verify = VerifyInput {
        tenant: tenant.clone(),
        service: service.clone(),
        source: table("us-east-1"),
        at: table("eu-west-1"),
        part: 7,
        bounds: Vec::new(),
        expected: Some(tally()),
        epoch: 12,
        deadline: 1_700_003_600_000,
        verification: Verification::Full,
        left: None,
        replicated: false,
    };
    let left = LeftReplica { again_after_ms: 95_000, offline: true, switched: false, known: None };
    let replica = VerifyInput { expected: None, left: Some(left), ..verify.clone() };
    let compare = CompareInput {
        tenant: tenant.clone(),
        service: service.clone(),
        at: table("us-east-1"),
        live: Some(table("eu-west-1")),
        part: 7,
        bounds: Vec::new(),
        verified: tally(),
        was_empty: false,
        unread: None,
        begun: false,
    };
    let remove = RemoveInput {
        tenant,
        service,
        at: bucket(),
        part: 0,
        generation: 3,
        rolled_back: false,
        noted: false,
        only_prove: false,
        strays: false,
    };
    let proves = RemoveInput { only_prove: true, ..remove.clone() };
    let rolled_back = RemoveInput { at: hooks(), rolled_back: true, ..remove.clone() };
    same_as_golden("task_copy", &copy);
    same_as_golden("task_verify", &verify);
    same_as_golden("task_verify_of_a_left_replica", &replica);
    same_as_golden("task_verify_replicated", &VerifyInput { replicated: true, ..verify.clone() });
    same_as_golden("task_compare", &compare);
    same_as_golden(
        "task_compare_again",
        &CompareInput { was_empty: true, unread: Some(1_500), begun: true, ..compare.clone() },
    );
    same_as_golden("task_remove", &remove);
    same_as_golden("task_remove_that_only_proves", &proves);
    same_as_golden("task_copy_divided", &CopyInput { from: bucket(), bounds: vec!["m".to_owned()], ..copy });
    same_as_golden("task_verify_divided", &VerifyInput { source: bucket(), bounds: vec!["m".to_owned()], ..verify });
    same_as_golden("task_compare_divided", &CompareInput { at: bucket(), bounds: vec!["m".to_owned()], ..compare });
    same_as_golden("task_remove_strays", &RemoveInput { strays: true, noted: true, ..remove.clone() });
    same_as_golden("task_remove_noted", &RemoveInput { noted: true, ..remove.clone() });
    same_as_golden("task_remove_of_a_rollback_by_hooks", &rolled_back);
}

/// What is written today is what the file holds, and the file is read without loss.
fn same_as_golden<T: Serialize + DeserializeOwned>(name: &str, value: &T) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.json"));
    let mut written = serde_json::to_string_pretty(value).expect("it serialises");
    written.push('\n');
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &written).expect("the golden file is writable");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(written, golden, "{name}: stored differently than before");
    let read: T = serde_json::from_str(&golden).expect("the golden file is read");
    let again = serde_json::to_string_pretty(&read).expect("it serialises") + "\n";
    assert_eq!(again, golden, "{name}: something stored is lost on reading");
}

fn stages() -> Vec<Stage> {
    let offline = || OfflinePeriod { epoch: 12, since: 1_700_000_000_000, deadline: 1_700_003_600_000 };
    let copied = || {
        vec![CopiedPart {
            service: "issue-service".to_owned(),
            to: table("eu-west-1"),
            part: 7,
            bounds: Vec::new(),
            tally: tally(),
        }]
    };
    let removals = || {
        vec![RemovalRef { id: "r-1".to_owned(), service: "issue-service".to_owned(), location: "us-east-1".to_owned() }]
    };
    let committed =
        || Committed { offline_ms: 95_000, copied: amount(), verified: true, removals: removals(), report: Vec::new() };
    vec![
        Stage::Scheduled,
        Stage::Preflight,
        Stage::Waiting { since: 1_700_000_000_000, reason: "the targets to be free".to_owned(), looked_at: None },
        Stage::Comparing,
        Stage::Offline,
        Stage::Drain { offline: offline(), until: Some(1_700_000_095_000) },
        Stage::AddData { offline: offline(), pace: Pace::default() },
        Stage::Verify { offline: offline(), copied: copied(), pace: Pace::default() },
        Stage::Commit { offline: Some(offline()), copied: copied(), report: Vec::new(), compared: Vec::new() },
        Stage::Notify { committed: committed() },
        Stage::ReOnline { offline: offline(), error: error() },
        Stage::RolledBack { error: error(), offline_ms: 95_000, removals: removals() },
        Stage::Completed { committed: committed(), warnings: vec!["a webhook did not answer".to_owned()] },
        Stage::Failed { error: error() },
    ]
}

fn a_removal() -> RemovalState {
    RemovalState {
        service: "issue-service".to_owned(),
        location: table("us-east-1"),
        generation: 3,
        cause: Cause::Moved { move_id: "m-1".to_owned() },
        verified: None,
        compared: None,
        follows: None,
        unread: false,
        first_is_empty: false,
        accept_late_writes: false,
        late: None,
        accepted: None,
        compared_again: 0,
        left_behind: false,
        begun: false,
        waits_for: None,
        stage: RemovalStage::Removing,
    }
}

fn a_campaign() -> CampaignState {
    CampaignState {
        to: "eu".to_owned(),
        options: CampaignOptions {
            wave_size: 50,
            wave_pause_ms: 600_000,
            at_once: 5,
            max_failures: Allowance::Percent(5),
            window: Some("22:00-04:00".parse().expect("a daily window")),
            budget_ms: Some(1_200_000),
            priority: Priority::Low,
        },
        actor: Actor::new("ada", "contract 4711"),
        wave: 3,
        in_wave: 20,
        forgiven: 1,
        stage: CampaignStage::Running,
    }
}

fn a_move() -> MoveState {
    let service = ServicePlan {
        service: "issue-service".to_owned(),
        from_shard: Some("issues-us-east-1".to_owned()),
        to_shard: "issues-eu-west-1".to_owned(),
        add: vec![table("eu-west-1")],
        keep: vec![bucket()],
        remove: vec![table("us-east-1")],
        order: vec![table("eu-west-1").key()],
        source: Some(table("us-east-1")),
        compare_keep: false,
        stays_out_of_realm: false,
        key_prefix: None,
    };
    let plan = Plan {
        tenant: "acme".to_owned(),
        from: "us".to_owned(),
        to: "eu".to_owned(),
        epoch: 11,
        topology_version: "0f".repeat(32),
        services: vec![service],
        not_adopted: vec!["lab-service".to_owned()],
    };
    MoveState {
        // As an earlier version worked it out: what was approved keeps its name.
        plan_hash: "eb656e92579a83f9fb58aceb725e7e327f721c910a9edc54a725f72633d0c02a".to_owned(),
        plan,
        actor: Actor::new("ada", "the customer asked"),
        at: Some(1_699_999_999_000),
        budget_ms: Some(600_000),
        expected: Some(amount()),
        partitioning: Partitioning::default(),
        sets: ReplicaSets::default(),
        window: None,
        priority: Priority::Normal,
        campaign: None,
        verification: Verification::Full,
        waits_for: None,
        stage: Stage::Scheduled,
    }
}

fn table(region: &str) -> Location {
    let address = Address::Dynamodb {
        endpoint: None,
        table: "issues".to_owned(),
        index: "by-tenant".to_owned(),
        index_key: "tenant_shard".to_owned(),
        shard_count: 10,
    };
    Location { name: region.to_owned(), region: region.to_owned(), address, table_id: None }
}

fn bucket() -> Location {
    let address = Address::S3 {
        endpoint: Some("http://127.0.0.1:9001".to_owned()),
        bucket: "media-us-east-1".to_owned(),
        prefix: "acme/".to_owned(),
    };
    Location { name: "us-east-1".to_owned(), region: "us-east-1".to_owned(), address, table_id: None }
}

fn hooks() -> Location {
    let address = Address::Hooks {
        url: "https://editor.example/realm-moves".to_owned(),
        secret: Some("editor".to_owned()),
        longest_seconds: Some(3_600),
    };
    Location { name: "eu-west-1".to_owned(), region: "eu-west-1".to_owned(), address, table_id: None }
}

fn tally() -> Tally {
    Tally { items: 3, objects: 0, bytes: 4_096, ..Tally::default() }
}

fn amount() -> Amount {
    Amount { items: 20_000, objects: 2_000, bytes: 47_416_764 }
}

fn error() -> StoredError {
    StoredError { code: "table_not_found".to_owned(), message: "there is no table issues in eu-west-1".to_owned() }
}
