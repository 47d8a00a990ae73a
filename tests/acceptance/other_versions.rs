//! P1 between versions: a tenant comes back online by what the catalogue's columns say. Neither a place that another version has
//! stored in the ledger nor a move's state that only another version can read keeps it offline.

use acceptance::clocked::{Clocked, on_clock};
use acceptance::world::Holdings;
use acceptance::{Database, timing};
use catalogue::ledger::EntryState;
use catalogue::tenants::TenantStatus;
use engine::failpoints::NoFailpoints;
use engine::{Runner, WorkflowRecord};
use serde_json::{Value, json};
use store::{Sql, sql};
use workflows::actor::Actor;
use workflows::realm_move::{CancelOutcome, LapseSweep, cancel_move};

on_both_databases!(places_that_cannot_be_read_keep_no_tenant_offline, unreadable_places);
on_both_databases!(a_state_that_cannot_be_read_keeps_no_tenant_offline, unreadable_states);
on_both_databases!(a_task_that_cannot_be_read_keeps_no_tenant_offline, unreadable_tasks);
on_both_databases!(a_move_whose_state_cannot_be_read_is_cancelled_by_what_the_catalogue_says, cancels_without_a_state);

/// How a tenant comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Lapse,
    Cancel,
    Failure,
}

async fn unreadable_places(database: Database) {
    for way in [Way::Lapse, Way::Cancel, Way::Failure] {
        let stage = Stage::in_add_data(database).await;
        let places = stage.rows("SELECT service, location, state, place FROM ledger WHERE tenant = 'acme'").await;
        // One is not even JSON; those of the places where the tenant lives can't be read either.
        for (n, row) in places.iter().enumerate() {
            let other = if n == 0 { "place:v9:00ff".to_owned() } else { json!({ "tape": { "reel": n } }).to_string() };
            stage.set_place(row, &other).await;
        }
        stage.come_back(way).await;
        stage.is_online(way).await;
        let left = stage.rows("SELECT location FROM ledger WHERE state = 'adding'").await;
        assert!(left.is_empty(), "{way:?}");

        // The version that can read the places goes on with the removals.
        for row in &places {
            let place = row.text("place").expect("a place");
            stage.set_place(row, &place).await;
            let (service, place) = (row.text("service").expect("a service"), parsed(&place));
            for removal in stage.removals().await {
                let mut data = parsed(&removal.data);
                if data["service"] == json!(service) && row.text("state").expect("a state") == "adding" {
                    data["location"] = place.clone();
                    stage.set_data(&removal, &data.to_string(), &removal.state).await;
                }
            }
        }
        stage.ends_as_before(way).await;
    }
}

async fn unreadable_states(database: Database) {
    for way in [Way::Lapse, Way::Cancel] {
        let stage = Stage::in_add_data(database).await;
        stage.another_version_writes_the_state("hovering").await;
        // Whoever claims it here finds that it can't go on, and changes nothing.
        let runner = stage.clocked.runner(NoFailpoints);
        stage.clocked.tick_until_idle(&runner).await;
        assert_eq!(stage.clocked.world.tenant().await.status, TenantStatus::Moving, "{way:?}");
        assert_eq!(stage.the_move().await.state, "hovering", "{way:?}");

        stage.come_back(way).await;
        stage.is_online(way).await;
        let ended = stage.the_move().await;
        let data = parsed(&ended.data);
        assert_eq!((ended.state.as_str(), ended.wake_at), ("rolled_back", None), "{way:?}");
        assert_eq!((&data["cargo"], &data["stage"]["name"]), (&json!([1, 2]), &json!("rolled_back")), "{way:?}");
        assert_eq!(data["stage"]["removals"].as_array().map(Vec::len), Some(stage.removals().await.len()), "{way:?}");
        let view = stage.clocked.world.view(&stage.id).await;
        assert_eq!((view.state.as_str(), view.finished_at.is_some()), ("rolled_back", true), "it can be shown");
        stage.ends_as_before(way).await;
    }
}

async fn unreadable_tasks(database: Database) {
    for way in [Way::Lapse, Way::Cancel, Way::Failure] {
        let stage = Stage::in_add_data(database).await;
        let of_the_move = "UPDATE tasks SET status = 'hovering', checkpoint = 'reel 9' WHERE workflow_id = $1";
        stage.execute(sql(of_the_move).bind(&stage.id)).await;
        let view = stage.clocked.world.view(&stage.id).await;
        assert_eq!(view.state, "add_data", "{way:?}: it can be shown");
        stage.come_back(way).await;
        stage.is_online(way).await;
        stage.ends_as_before(way).await;
    }
}

async fn cancels_without_a_state(database: Database) {
    let stage = Stage::new(database).await;
    let by = Actor::new("mallory", "");
    stage.another_version_writes_the_state("pondering").await;
    let deployment = &stage.clocked.world.deployment;
    assert_eq!(cancel_move(deployment, &stage.id, &by).await.expect("accepted"), CancelOutcome::Cancelled);
    assert_eq!(cancel_move(deployment, &stage.id, &by).await.expect("accepted"), CancelOutcome::AlreadyRolledBack);
    let tenant = stage.clocked.world.tenant().await;
    assert_eq!((tenant.status, tenant.active_move, tenant.epoch), (TenantStatus::Online, None, stage.epoch));

    let committed = Stage { id: stage.clocked.world.start_move("eu").await, ..stage };
    committed.tick_until("notify").await;
    committed.another_version_writes_the_state("rejoicing").await;
    let refused = cancel_move(&committed.clocked.world.deployment, &committed.id, &by).await.expect_err("too late");
    assert_eq!(refused.code(), "already_committed");
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

struct Stage {
    clocked: Clocked,
    id: String,
    data: Holdings,
    epoch: i64,
}

impl Stage {
    async fn new(database: Database) -> Self {
        let clocked = Clocked::new(database).await;
        let data = clocked.world.holdings("us-east-1", "acme").await;
        let id = clocked.world.start_move("eu").await;
        let epoch = clocked.world.tenant().await.epoch;
        Self { clocked, id, data, epoch }
    }

    async fn in_add_data(database: Database) -> Self {
        let stage = Self::new(database).await;
        stage.tick_until("add_data").await;
        stage
    }

    async fn tick_until(&self, state: &str) {
        let runner = self.clocked.runner(NoFailpoints);
        for _ in 0..10_000 {
            if self.the_move().await.state == state {
                return;
            }
            if !runner.tick().await.expect("the catalogue answers") {
                self.clocked.clock.advance(10);
            }
        }
        panic!("the move does not reach {state}");
    }

    async fn come_back(&self, way: Way) {
        let world = &self.clocked.world;
        match way {
            Way::Lapse => {
                self.clocked.clock.advance(workflows::timing::millis(timing::short().offline_lease) + 1);
                let other = on_clock(&world.store_url, &self.clocked.clock).await;
                let settled = engine::Sweep::sweep(&LapseSweep::new(other)).await.expect("the catalogue answers");
                assert_eq!(settled, 1, "any process settles it");
            }
            Way::Cancel => {
                let by = Actor::new("mallory", "");
                let outcome = cancel_move(&world.deployment, &self.id, &by).await.expect("accepted");
                assert_eq!(outcome, CancelOutcome::Cancelled);
            }
            // Its tasks fail, for they get no permit for a place that can't be read; or it can't read them.
            Way::Failure => {
                self.tick_until("rolled_back").await;
            }
        }
    }

    async fn is_online(&self, way: Way) {
        let tenant = self.clocked.world.tenant().await;
        assert_eq!((tenant.status, tenant.realm.as_str()), (TenantStatus::Online, "us"), "{way:?}");
        assert_eq!((tenant.active_move, tenant.lease_until, tenant.epoch), (None, None, self.epoch + 2), "{way:?}");
    }

    /// The removals empty what was added, and nothing else has changed.
    async fn ends_as_before(&self, way: Way) {
        let runner: Runner = self.clocked.runner(NoFailpoints);
        for _ in 0..10_000 {
            let removals = self.removals().await;
            if !removals.is_empty() && removals.iter().all(|removal| removal.wake_at.is_none()) {
                break;
            }
            if !runner.tick().await.expect("the catalogue answers") {
                self.clocked.clock.advance(10);
            }
        }
        let world = &self.clocked.world;
        for removal in self.removals().await {
            assert_eq!((removal.state.as_str(), removal.error), ("done", None), "{way:?}");
        }
        assert_eq!(world.holdings("us-east-1", "acme").await, self.data, "{way:?}");
        assert!(world.holdings("eu-west-1", "acme").await.is_empty(), "{way:?}");
        for ((service, region), state) in world.entries().await {
            let expected = if region == "us-east-1" { EntryState::Live } else { EntryState::Absent };
            assert_eq!(state, expected, "{way:?}: {service} in {region}");
        }
    }

    /// As it could come from a version with another state, other fields and other errors.
    async fn another_version_writes_the_state(&self, state: &str) {
        let record = self.the_move().await;
        let mut data = parsed(&record.data);
        data["stage"] = json!({ "name": state, "height": 3 });
        data["plan"] = json!("folded");
        data["cargo"] = json!([1, 2]);
        self.set_data(&record, &data.to_string(), state).await;
        let error = sql("UPDATE workflows SET error = '[\"odd\"]' WHERE id = $1").bind(&self.id);
        self.execute(error).await;
    }

    async fn the_move(&self) -> WorkflowRecord {
        let mut tx = self.clocked.world.deployment.store.read().await.expect("a read begins");
        let record =
            engine::tables::workflow_table::get(&mut tx, &self.id).await.expect("readable").expect("it exists");
        tx.rollback().await.expect("a read ends");
        record
    }

    async fn removals(&self) -> Vec<WorkflowRecord> {
        let mut tx = self.clocked.world.deployment.store.read().await.expect("a read begins");
        let found =
            engine::tables::workflow_table::list(&mut tx, "removal", None, None, None, 100).await.expect("listed");
        tx.rollback().await.expect("a read ends");
        found
    }

    async fn set_place(&self, entry: &store::Row, place: &str) {
        let set = sql("UPDATE ledger SET place = $1 WHERE tenant = 'acme' AND service = $2 AND location = $3");
        let text = |column: &str| entry.text(column).expect("a text");
        self.execute(set.bind(place).bind(text("service")).bind(text("location"))).await;
    }

    async fn set_data(&self, record: &WorkflowRecord, data: &str, state: &str) {
        let set = sql("UPDATE workflows SET data = $1, state = $2 WHERE id = $3");
        self.execute(set.bind(data).bind(state).bind(&record.id)).await;
    }

    async fn rows(&self, text: &'static str) -> Vec<store::Row> {
        let mut tx = self.clocked.world.deployment.store.read().await.expect("a read begins");
        let rows = sql(text).fetch_all(&mut tx).await.expect("a result");
        tx.rollback().await.expect("a read ends");
        rows
    }

    async fn execute(&self, statement: Sql) {
        let mut tx = self.clocked.world.deployment.store.begin().await.expect("begins");
        statement.execute(&mut tx).await.expect("executed");
        tx.commit().await.expect("commits");
    }
}
