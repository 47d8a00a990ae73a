//! What goes wrong before anything is touched: a clear error, the tenant online, no byte moved.

use acceptance::failpoint_actions::{Interject, Target};
use acceptance::world::{NEIGHBOUR, Seed, few_parts, request};
use acceptance::{Database, World};
use catalogue::tenants::TenantStatus;
use engine::failpoints::{Moment, NoFailpoints};
use workflows::actor::Actor;
use workflows::dry_run::{Rehearsal, dry_run};
use workflows::realm_move::{MoveRequest, When, Window, cancel_move, start_move};
use workflows::topology_change::{apply_topology, apply_topology_accepting};

on_both_databases!(a_wrong_table_name_fails_before_the_tenant_is_offline, wrong_table);
on_both_databases!(a_shard_count_that_is_too_small_fails_before_anything_is_left_behind, shard_count_too_small);
on_both_databases!(an_unreachable_endpoint_fails_before_the_tenant_is_offline, unreachable);
on_both_databases!(a_target_with_unknown_data_is_not_overwritten, target_not_empty);
on_both_databases!(unknown_names_and_second_moves_are_refused, refused_requests);
on_both_databases!(a_plan_that_no_longer_holds_is_not_carried_out_and_says_what_changed, plan_changed);
on_both_databases!(edits_of_the_topology_that_have_nothing_to_do_with_a_plan_leave_it_alone, unrelated_edits);
on_both_databases!(a_topology_that_loses_the_realm_during_a_move_turns_the_move_back, realm_lost_on_the_way);
on_both_databases!(a_budget_that_is_spent_brings_the_tenant_back, budget_spent);

fn at(time: i64) -> When {
    When { at: Some(time), window: None }
}

fn window(from: i64, to: i64) -> When {
    When { at: None, window: Some(Window { from, to }) }
}

fn by() -> Actor {
    Actor::new("test", "")
}

/// Runs a move that must fail without the tenant ever being offline; returns its error.
async fn fails_untouched(world: &World, code: &str) -> String {
    let before = (world.holdings("us-east-1", "acme").await, world.holdings("eu-west-1", "acme").await);
    let epoch = world.tenant().await.epoch;
    let done = world.run_move("eu", NoFailpoints).await;
    assert_eq!(done.state, "failed", "{done:?}");
    let error = done.error.expect("a failed move says why");
    assert_eq!(error.code, code, "{error:?}");
    let tenant = world.tenant().await;
    assert_eq!((tenant.status, tenant.epoch, tenant.active_move), (TenantStatus::Online, epoch, None));
    let after = (world.holdings("us-east-1", "acme").await, world.holdings("eu-west-1", "acme").await);
    assert_eq!(after, before, "nothing is touched");
    error.message
}

async fn wrong_table(database: Database) {
    let edit = |yaml: String| {
        let shard = "{ shard: issues-eu-west-1, dataRegions: [eu-west-1], url: \"https://issues.eu-west-1.example\" }";
        let wrong = "{ shard: issues-eu-west-1, dataRegions: [eu-west-1], store: { dynamodb: { table: isues, index: \
                     by-tenant, indexKey: tenant_shard, shardCount: 2 } } }";
        assert!(yaml.contains(shard), "{yaml}");
        yaml.replace(shard, wrong)
    };
    let world = World::with_topology(database, Seed::SMALL, edit).await;
    let message = fails_untouched(&world, "table_not_found").await;
    assert!(message.contains("isues") && message.contains("eu-west-1"), "{message}");
}

async fn shard_count_too_small(database: Database) {
    let world =
        World::with_topology(database, Seed::SMALL, |yaml| yaml.replace("shardCount: 2", "shardCount: 1")).await;
    let message = fails_untouched(&world, "shard_count_too_small").await;
    assert!(message.contains("acme#") && message.contains("shardCount is 1"), "{message}");
}

async fn unreachable(database: Database) {
    // A port that nobody is given by chance, and at which nobody listens.
    let closed = "127.0.0.1:9";
    let edit = |yaml: String| {
        let at = yaml.find("  eu-west-1: {").expect("the region");
        let from = at + yaml[at..].find("http://").expect("its endpoint");
        let to = from + yaml[from..].find('"').expect("its end");
        format!("{}http://{closed}{}", &yaml[..from], &yaml[to..])
    };
    let world = World::with_topology(database, Seed::SMALL, edit).await;
    let message = fails_untouched(&world, "endpoint_unreachable").await;
    assert!(message.contains(&closed.to_string()), "{message}");
}

async fn target_not_empty(database: Database) {
    let world = World::new(database).await;
    world.fill("eu-west-1", "acme", Seed { issues: 0, activity: 1, media: 0 }).await;
    let message = fails_untouched(&world, "target_not_empty").await;
    assert!(message.contains("activity-service") && message.contains("eu-west-1"), "{message}");
}

async fn refused_requests(database: Database) {
    let world = World::new(database).await;
    let start = async |request: MoveRequest| start_move(&world.deployment, &request, &by()).await;
    let refused = async |request: MoveRequest| {
        let refusal = start(request).await.expect_err("must be refused");
        (refusal.code(), refusal.to_string())
    };
    let unknown_tenant = MoveRequest { tenant: "acm".to_owned(), ..request("eu") };
    assert_eq!(refused(unknown_tenant.clone()).await.0, "unknown_tenant");
    let (code, words) = refused(request("mars")).await;
    assert!(code == "unknown_realm" && words.contains("mars") && words.contains("topology show"), "{words}");
    assert_eq!(refused(request("us")).await.0, "nothing_to_do");
    assert_eq!(refused(MoveRequest { budget_ms: Some(0), ..request("eu") }).await.0, "invalid_budget");
    assert_eq!(refused(MoveRequest { when: at(1_700_000_000_000), ..request("eu") }).await.0, "time_has_passed");
    let (reversed, past, short) =
        (window(9_000_000_000_000, 8_000_000_000_000), window(1, 2), window(8_000_000_000_000, 8_000_000_000_001));
    for (when, says) in [(reversed, "not later than its beginning"), (past, "has passed"), (short, "lasts 0 s")] {
        let (code, words) = refused(MoveRequest { when, ..request("eu") }).await;
        assert!(code == "invalid_window" && words.contains(says), "{words}");
    }
    for asked in [
        unknown_tenant,
        request("mars"),
        request("us"),
        MoveRequest { budget_ms: Some(0), ..request("eu") },
        MoveRequest { when: at(1_700_000_000_000), ..request("eu") },
        MoveRequest { when: reversed, ..request("eu") },
        MoveRequest { when: past, ..request("eu") },
    ] {
        let dry = dry_run(&world.deployment, &asked).await.expect_err("a dry run refuses what the start refuses");
        assert_eq!((dry.code(), dry.to_string()), refused(asked).await);
    }
    let dry = dry_run(&world.deployment, &request("eu")).await.expect("a plan");
    assert_eq!(codes(&dry), ["no_worker"], "nobody runs here");
    let plan = dry.plan;
    assert_eq!(world.tenant().await.active_move, None, "a dry run starts nothing");

    let later = MoveRequest { when: at(4_000_000_000_000), idempotency_key: Some("once".to_owned()), ..request("eu") };
    let first = start(later.clone()).await.expect("the move is scheduled");
    assert!(first.new);
    assert_eq!(world.view(&first.id).await.plan_hash, plan.hash());
    let blocked = dry_run(&world.deployment, &request("global")).await.expect("it is shown all the same");
    assert_eq!(codes(&blocked), ["move_in_progress", "no_worker"]);
    assert!(blocked.obstacles[0].can_do.contains(&format!("realmctl moves cancel {}", first.id)), "{blocked:?}");
    let again = start(later.clone()).await.expect("the same request finds the first");
    assert_eq!((again.id.as_str(), again.new), (first.id.as_str(), false));
    let keyless = start(MoveRequest { idempotency_key: None, ..later.clone() }).await.expect("also without the key");
    assert_eq!(keyless.id, first.id);
    let other_key = MoveRequest { idempotency_key: Some("twice".to_owned()), ..later.clone() };
    assert_eq!(start(other_key.clone()).await.expect("nor does another key matter").id, first.id);
    let (code, words) = refused(MoveRequest { idempotency_key: None, ..request("global") }).await;
    assert!(code == "move_in_progress" && words.contains(&first.id), "{words}");
    for used in [&later, &other_key] {
        let reused = MoveRequest { tenant: NEIGHBOUR.to_owned(), ..used.clone() };
        assert_eq!(refused(reused).await.0, "idempotency_key_reused");
    }
    cancel_move(&world.deployment, &first.id, &by()).await.expect("it has not begun");
    for repeated in [later, other_key] {
        let found = start(repeated).await.expect("a late retry of either request");
        assert_eq!((found.id.as_str(), found.new), (first.id.as_str(), false), "starts no second move");
    }
    assert_eq!(world.tenant().await.active_move, None);
}

fn codes(dry: &Rehearsal) -> Vec<&str> {
    dry.obstacles.iter().map(|obstacle| obstacle.code.as_str()).collect()
}

/// Applies the usual topology with an edit.
async fn apply_edited(world: &World, edit: impl FnOnce(String) -> String) {
    let all: Vec<&testkit::Region> = world.regions.iter().collect();
    let yaml = edit(few_parts(&testkit::topology(&all)));
    // What an edit does to moves is accepted.
    apply_topology_accepting(&world.deployment, &yaml, true, &by()).await.expect("the edit strands nobody");
}

async fn plan_changed(database: Database) {
    let world = World::new(database).await;
    let id = world.start_move("eu").await;
    apply_edited(&world, |yaml| yaml.replace("shardCount: 2", "shardCount: 12")).await;
    world.run_until(NoFailpoints, || world.has_ended(&id)).await;
    let done = world.view(&id).await;
    let error = done.error.expect("it says why");
    assert_eq!((done.state.as_str(), error.code.as_str()), ("failed", "plan_changed"));
    assert!(
        error.message.contains("shardCount (2, now 12)") && error.message.contains("start the move again"),
        "{error:?}"
    );
    assert_eq!((world.tenant().await.status, world.tenant().await.active_move), (TenantStatus::Online, None));
}

/// Between the approval and the preflight, and again between that and going offline.
async fn unrelated_edits(database: Database) {
    let world = World::new(database).await;
    let limits =
        |units: u32| format!("limits: {{ writeUnits: {units} }}\nrealms:\n  spare: {{ dataRegions: [us-east-1] }}\n");
    let id = world.start_move("eu").await;
    let plan_hash = world.view(&id).await.plan_hash;
    apply_edited(&world, |yaml| yaml.replace("realms:\n", &limits(100_000))).await;
    let dry = dry_run(&world.deployment, &request("eu")).await.expect("a plan");
    assert_eq!(dry.plan.hash(), plan_hash, "what was approved is called what it was");
    let all: Vec<&testkit::Region> = world.regions.iter().collect();
    let yaml = few_parts(&testkit::topology(&all)).replace("realms:\n", &limits(200_000));
    let deployment = world.deployment.clone();
    let edit = Interject::new(Target::step("move", "offline", Moment::Before), move || {
        let (deployment, yaml) = (deployment.clone(), yaml.clone());
        async move { drop(apply_topology(&deployment, &yaml, &by()).await.expect("the edit strands nobody")) }
    });
    world.run_until(edit.clone(), || world.has_ended(&id)).await;
    assert!(edit.was_reached());
    assert_eq!(world.view(&id).await.state, "completed", "{:?}", world.view(&id).await);
}

async fn realm_lost_on_the_way(database: Database) {
    let world = World::new(database).await;
    let before = world.holdings("us-east-1", "acme").await;
    let all: Vec<&testkit::Region> = world.regions.iter().collect();
    let yaml: String = few_parts(&testkit::topology(&all))
        .lines()
        .filter(|line| !line.starts_with("  eu:"))
        .map(|line| format!("{line}\n"))
        .collect();
    let deployment = world.deployment.clone();
    let lose_realm = Interject::new(Target::step("move", "verify", Moment::Before), move || {
        let (deployment, yaml) = (deployment.clone(), yaml.clone());
        async move {
            apply_topology(&deployment, &yaml, &by()).await.expect("no tenant is in realm eu yet");
        }
    });
    let done = world.run_move("eu", lose_realm.clone()).await;
    assert!(lose_realm.was_reached());
    let code = done.error.as_ref().map(|error| error.code.as_str());
    assert_eq!((done.state.as_str(), code), ("rolled_back", Some("plan_changed")), "{done:?}");
    assert_eq!(world.tenant().await.realm, "us");
    assert_eq!(world.holdings("us-east-1", "acme").await, before);
    assert!(world.holdings("eu-west-1", "acme").await.is_empty());
}

async fn budget_spent(database: Database) {
    let world = World::new(database).await;
    let before = world.holdings("us-east-1", "acme").await;
    let request = MoveRequest { budget_ms: Some(70), ..request("eu") };
    let id = start_move(&world.deployment, &request, &by()).await.expect("the move starts").id;
    world.run_until(NoFailpoints, || world.has_ended(&id)).await;
    let done = world.view(&id).await;
    let code = done.error.as_ref().map(|error| error.code.as_str());
    assert_eq!((done.state.as_str(), code), ("rolled_back", Some("offline_deadline")), "{done:?}");
    assert_eq!(world.holdings("us-east-1", "acme").await, before);
    assert!(world.holdings("eu-west-1", "acme").await.is_empty());
}
