//! The audit trail tells of every arrow of the ledger, with who, why and where, whatever kind of workflow makes it; and it keeps
//! no key of a tenant's data, though errors that led to an entry may name some.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use acceptance::Database;
use acceptance::clocked::Clocked;
use acceptance::failpoint_actions::{Injected, Injector, Interject, Target};
use acceptance::harness::Stage;
use acceptance::kinds::Begin;
use catalogue::audit::{self, AuditEntry};
use catalogue::{ledger, tenants};
use engine::failpoints::{Failpoints, Moment, NoFailpoints};
use serde_json::Value;
use store::ManualClock;
use testkit::fixtures;
use testkit::observe::Item;
use testkit::region::dynamodb_client;
use workflows::Deployment;
use workflows::actor::Actor;
use workflows::realm_move::cancel_move;
use workflows::removal::{Accepted, replay_removal};

on_both_databases!(every_arrow_of_the_ledger_is_audited, every_arrow);
on_both_databases!(the_audit_keeps_no_key_whatever_fails, no_key);

/// The whole audit trail, oldest first.
async fn whole(deployment: &Deployment) -> Vec<AuditEntry> {
    let mut tx = deployment.store.read().await.expect("a read begins");
    let mut entries = audit::list(&mut tx, None, None, 1_000_000).await.expect("the audit trail can be read");
    tx.rollback().await.expect("a read ends");
    entries.reverse();
    entries
}

/// (tenant, service, location) to state and generation.
type Ledger = BTreeMap<[String; 3], (String, i64)>;

/// (from, to).
type Arrows = BTreeSet<(String, String)>;

/// The ledger as the audit trail tells it, with the arrows that lead there. Each audit entry must begin where the one
/// before it has left the ledger entry.
fn told(entries: &[AuditEntry]) -> (Ledger, Arrows) {
    let (mut ledger_entries, mut arrows) = (BTreeMap::new(), BTreeSet::new());
    for entry in entries.iter().filter(|entry| entry.action.starts_with("ledger.")) {
        let text = |value: &Value, name: &str| value[name].as_str().map(str::to_owned).expect(name);
        let stand = |value: &Value| (text(value, "state"), value["generation"].as_i64().expect("a generation"));
        let (before, after) = (stand(&entry.before), stand(&entry.after));
        let tenant = entry.tenant.clone().expect("an entry has a tenant");
        let key = [tenant, text(&entry.after, "service"), text(&entry.after, "locationKey")];
        let was = ledger_entries.insert(key, after.clone()).unwrap_or_else(|| ("absent".to_owned(), 0));
        assert_eq!(was, before, "an arrow before this one is missing: {entry:?}");
        assert_eq!(entry.action, format!("ledger.{}", after.0));
        assert!(!text(&entry.after, "location").is_empty() && !entry.who.is_empty(), "{entry:?}");
        arrows.insert((before.0, after.0));
    }
    (ledger_entries, arrows)
}

async fn is_as_told(deployment: &Deployment, what: &str) -> Arrows {
    let (told, arrows) = told(&whole(deployment).await);
    let mut tx = deployment.store.read().await.expect("a read begins");
    let mut kept = BTreeMap::new();
    for tenant in tenants::list(&mut tx, None, None, 1_000).await.expect("tenants can be listed") {
        for ledger_entry in ledger::of_tenant(&mut tx, &tenant.id).await.expect("the ledger can be read") {
            let key = [tenant.id.clone(), ledger_entry.service, ledger_entry.location.key()];
            kept.insert(key, (ledger_entry.state.as_str().to_owned(), ledger_entry.generation));
        }
    }
    tx.rollback().await.expect("a read ends");
    assert_eq!(told, kept, "{what}: the audit trail, followed from its beginning, leads to the ledger as it is");
    arrows
}

fn actions(entries: &[AuditEntry]) -> BTreeSet<&str> {
    entries.iter().map(|entry| entry.action.as_str()).collect()
}

/// A stage whose clock moves when there is nothing to do, so that a busy machine loses no lease.
struct Ticked {
    stage: Stage,
    clock: Arc<ManualClock>,
}

impl Ticked {
    async fn run(&mut self, begin: Begin, failpoints: impl Failpoints) {
        self.stage.begin(begin).await;
        self.rest(failpoints).await;
    }

    async fn rest(&self, failpoints: impl Failpoints) {
        let runner = self.stage.world.runner().with_failpoints(failpoints);
        for _ in 0..100_000 {
            if self.stage.is_at_rest().await {
                return;
            }
            if !runner.tick().await.expect("the catalogue answers") {
                self.clock.advance(20);
            }
        }
        panic!("it does not come to rest: {:?}", self.stage.ran().await);
    }

    /// Does what a person on call would do.
    async fn heal(&self) {
        for record in self.stage.workflows().await {
            if (record.kind.as_str(), record.state.as_str()) == ("removal", "failed") {
                let by = Actor::realmctl("test");
                replay_removal(&self.stage.world.deployment, &record.id, Accepted::NOTHING, &by)
                    .await
                    .expect("it is replayed");
            }
        }
        self.rest(NoFailpoints).await;
    }
}

/// Moves, their removals and rechecks, campaigns and creations: undisturbed, failing at each of their turns, and cancelled.
async fn every_arrow(database: Database) {
    let (stage, clock) = Stage::on_manual_clock(database).await;
    let mut ticked = Ticked { stage, clock };
    let deployment = ticked.stage.world.deployment.clone();
    for begin in [Begin::Move, Begin::Campaign, Begin::Create] {
        ticked.run(begin, NoFailpoints).await;
        is_as_told(&deployment, &format!("{begin:?}")).await;
    }
    let failing = [
        (Begin::Move, Target::step("move", "preflight", Moment::Written), "move.failed"),
        (Begin::Move, Target::task("copy", Moment::Before), "tenant.re_online"),
        (Begin::Move, Target::step("removal", "waiting", Moment::Written), "removal.failed"),
        (Begin::Move, Target::task("remove", Moment::Before), "removal.failed"),
        (Begin::Move, Target::step("recheck", "waiting", Moment::Written), "recheck.failed"),
        (Begin::Create, Target::step("provision", "preparing", Moment::Written), "tenant.undone"),
    ];
    for (begin, target, action) in failing {
        let before = whole(&deployment).await.len();
        let injector = Injector::new(target.clone(), Injected::FailForGood, 1);
        ticked.run(begin, injector.clone()).await;
        assert!(injector.struck() >= 1, "{target:?}");
        let entries = whole(&deployment).await;
        let failure = entries[before..].iter().find(|entry| entry.action == action);
        let failure = failure.unwrap_or_else(|| panic!("{target:?} leaves no {action}: {:?}", actions(&entries)));
        assert_eq!(failure.after["code"], "injected", "{failure:?}");
        ticked.heal().await;
        is_as_told(&deployment, &format!("failed at {target:?}")).await;
    }
    let to = if ticked.stage.world.tenant().await.realm == "us" { "eu" } else { "us" };
    let id = ticked.stage.world.start_move(to).await;
    cancel_move(&deployment, &id, &Actor::realmctl("test")).await.expect("it is cancelled");
    let arrows = is_as_told(&deployment, "in the end").await;
    let arrows: BTreeSet<(&str, &str)> = arrows.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
    let wanted = [
        ("absent", "adding"),
        ("adding", "live"),
        ("adding", "removing"),
        ("live", "removing"),
        ("removing", "absent"),
    ];
    assert_eq!(arrows, BTreeSet::from(wanted));
}

/// An item whose key no entry may hold.
const SECRET: &str = "a-key-of-the-customer";

/// A mismatch at the read-back, late writes before a removal and after one, and their replays: each error names the key.
async fn no_key(database: Database) {
    let clocked = Clocked::new(database).await;
    let world = &clocked.world;
    let by = Actor::realmctl("test");
    let at = |region: &str| Arc::new(dynamodb_client(world.region(region)));
    let write = |client: &Arc<aws_sdk_dynamodb::Client>, target: Target| {
        let client = Arc::clone(client);
        Interject::new(target, move || {
            let client = Arc::clone(&client);
            async move {
                let written = fixtures::write_item(&client, "issues", ("tenant_shard", "acme#1"), SECRET).await;
                written.expect("it is written");
            }
        })
    };

    let stray = write(&at("eu-west-1"), Target::step("move", "verify", Moment::Before));
    let id = world.start_move("eu").await;
    let back = clocked.run_to_the_end(&id, stray, 1).await;
    let error = back.error.expect("it rolled back");
    assert!(error.code == "verify_mismatch" && error.message.contains(SECRET), "{error:?}");

    let late = write(&at("us-east-1"), Target::step("removal", "waiting", Moment::Before));
    let id = world.start_move("eu").await;
    let moved = clocked.run_to_the_end(&id, late, 1).await;
    let failed = world.removals(&moved.id).await.into_iter().find(|removal| removal.state == "failed");
    let failed = failed.expect("one removal has found the late write");
    assert!(failed.error.expect("why").message.contains(SECRET));
    let hash = failed.late_writes_found.expect("what was found").hash;
    for accept in [None, Some(hash.as_str())] {
        let accepted = Accepted { late_writes: accept, ..Accepted::NOTHING };
        replay_removal(&world.deployment, &failed.id, accepted, &by).await.expect("it is replayed");
        clocked.run_to_the_end(&moved.id, NoFailpoints, 1).await;
    }
    assert_eq!(world.stored_state(&failed.id).await, "done");

    let written = fixtures::write_item(&at("us-east-1"), "issues", ("tenant_shard", "acme#1"), SECRET).await;
    written.expect("it is written");
    let runner = clocked.runner(NoFailpoints);
    for _ in 0..10_000 {
        if world.stored_state(&failed.id).await == "failed" {
            break;
        }
        if !runner.tick().await.expect("the catalogue answers") {
            clocked.clock.advance(20);
        }
    }
    assert_eq!(world.stored_state(&failed.id).await, "failed", "the recheck has found it");
    let arrows = is_as_told(&world.deployment, "after the recheck").await;
    assert!(arrows.contains(&("absent".to_owned(), "removing".to_owned())), "{arrows:?}");

    let entries = whole(&world.deployment).await;
    let met = actions(&entries);
    for action in ["tenant.re_online", "removal.failed", "removal.replay", "removal.recheck", "ledger.absent"] {
        assert!(met.contains(action), "{action} is missing: {met:?}");
    }
    let issues = world.holdings("eu-west-1", "acme").await.issues;
    let keys: BTreeSet<String> = issues.values().map(primary).filter(|key| key.starts_with("acme/")).collect();
    assert!(keys.len() > 5, "{keys:?}");
    for entry in &entries {
        let text = format!("{entry:?}");
        let kept = keys.iter().map(String::as_str).chain([SECRET]).find(|key| text.contains(key));
        assert_eq!(kept, None, "{text}");
    }
}

fn primary(item: &Item) -> String {
    item.get("pk").and_then(|key| key.as_s().ok()).cloned().expect("an item has its key")
}
