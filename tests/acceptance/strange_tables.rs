//! An address that leads to a table of somebody else: a copy of the catalogue's own, with the same tenant in it, say. What is there is not
//! deleted, whether a move has left the place or rolled back.

use std::sync::Arc;

use acceptance::failpoint_actions::{Interject, Target};
use acceptance::world::{Holdings, Seed, TENANT, holdings_of};
use acceptance::{Database, World};
use engine::failpoints::{Moment, NoFailpoints};
use testkit::fixtures::seed_items;
use testkit::proxy::Proxy;
use testkit::{Ports, Region, RequestAge, Storage};
use workflows::actor::Actor;
use workflows::realm_move::cancel_move;
use workflows::removal::{Accepted, RemovalDetail, replay_removal};

on_both_databases!(a_table_that_took_the_place_of_the_one_that_was_left_keeps_what_it_holds, left);
on_both_databases!(a_table_that_took_the_place_of_the_target_of_a_move_that_went_back_keeps_what_it_holds, went_back);

/// A region whose tables are reached through a front, and another one of that name with tables of the same names and items.
struct Stranger {
    world: World,
    front: Arc<Proxy>,
    region: Region,
}

impl Stranger {
    async fn of(database: Database, name: &str) -> Self {
        let front = Proxy::start(None).await.expect("a free port");
        let address = format!("http://127.0.0.1:{}", front.port());
        let world = World::with_topology(database, Seed::SMALL, |yaml| {
            let lines = yaml.lines().map(|line| {
                let mut parts: Vec<&str> = line.split('"').collect();
                if line.starts_with(&format!("  {name}: ")) {
                    parts[1] = &address;
                }
                parts.join("\"")
            });
            lines.collect::<Vec<_>>().join("\n")
        })
        .await;
        let region =
            Region::start_accepting(name, Storage::Memory, Ports::Any, RequestAge::AWS).expect("a region starts");
        testkit::prepare(&[&region]).await.expect("tables and buckets are made");
        for (table, (parts, count, seed)) in [("issues", (2, 40, 7)), ("activity", (1, 16, 8))] {
            seed_items(&region, table, "tenant_shard", TENANT, parts, count, seed).await.expect("items are seeded");
        }
        lead(&front, world.region(name));
        Self { world, front: Arc::new(front), region }
    }

    /// What the other one holds.
    async fn holds(&self) -> Holdings {
        holdings_of(self.region.name(), (self.region.dynamodb_endpoint(), self.region.s3_endpoint()), TENANT).await
    }

    /// From now on the address leads there.
    fn lead_there(&self) -> impl Fn() + Send + Sync + 'static {
        let (front, endpoint) = (Arc::clone(&self.front), self.region.dynamodb_endpoint().to_owned());
        move || lead_to(&front, &endpoint)
    }

    async fn run_until_all(&self, id: &str, is_so: impl Fn(&RemovalDetail) -> bool + Copy) {
        let all = || async { self.world.removals(id).await.iter().all(is_so) };
        self.world.run_until(NoFailpoints, all).await;
    }

    /// The removals of tables, which have stopped.
    async fn stopped(&self, id: &str) -> Vec<RemovalDetail> {
        self.run_until_all(id, |removal| ["failed", "done"].contains(&removal.state.as_str())).await;
        let removals = self.world.removals(id).await;
        let tables: Vec<_> = removals.into_iter().filter(|removal| removal.service != "media-service").collect();
        assert_eq!(tables.len(), 2, "{tables:?}");
        for removal in &tables {
            let error = removal.error.as_ref().expect("why it stopped");
            assert_eq!(error.code, "another_table", "{error:?}");
            assert!(error.message.contains("nothing is deleted"), "{error:?}");
        }
        tables
    }
}

fn lead(front: &Proxy, region: &Region) {
    lead_to(front, region.dynamodb_endpoint());
}

fn lead_to(front: &Proxy, endpoint: &str) {
    front.set_target(Some(endpoint.trim_start_matches("http://").trim_end_matches('/').parse().expect("an address")));
    front.cut();
}

fn by() -> Actor {
    Actor::realmctl("test")
}

async fn left(database: Database) {
    let stranger = Stranger::of(database, "us-east-1").await;
    let (world, moved, strange) =
        (&stranger.world, stranger.world.holdings("us-east-1", TENANT).await, stranger.holds().await);
    let id = world.start_move("eu").await;
    let elsewhere = {
        let lead_there = stranger.lead_there();
        Interject::new(Target::step("removal", "waiting", Moment::Before), move || {
            lead_there();
            async {}
        })
    };
    world.run_until(elsewhere.clone(), || async { elsewhere.has_ended() }).await;
    let [one, other] = &stranger.stopped(&id).await[..] else { unreachable!("two were stopped") };
    assert_eq!(stranger.holds().await, strange);

    let a_third = Accepted { table: Some("a third"), ..Accepted::NOTHING };
    let refused = replay_removal(&world.deployment, &one.id, a_third, &by()).await;
    assert_eq!(refused.expect_err("refused").code(), "table_not_found_there");
    assert_eq!(stranger.stopped(&id).await.len(), 2, "what is accepted is what was found");

    // It has been made anew on purpose, and holds what was verified.
    let message = &one.error.as_ref().expect("why").message;
    let table = message.split("--accept-table ").nth(1).and_then(|rest| rest.split('`').next()).expect("a command");
    let accepted = Accepted { table: Some(table), ..Accepted::NOTHING };
    replay_removal(&world.deployment, &one.id, accepted, &by()).await.expect("it is replayed");
    stranger.run_until_all(&id, |removal| removal.id == other.id || removal.state == "done").await;

    lead(&stranger.front, world.region("us-east-1"));
    stranger.front.cut();
    replay_removal(&world.deployment, &other.id, Accepted::NOTHING, &by()).await.expect("it is replayed");
    world.run_until(NoFailpoints, || world.has_ended(&id)).await;
    let (here, there) = (world.holdings("us-east-1", TENANT).await, stranger.holds().await);
    if one.service == "issue-service" {
        assert_eq!((here.issues, here.activity.len()), (moved.issues.clone(), 0));
        assert_eq!((there.issues.len(), there.activity), (0, strange.activity));
    } else {
        assert_eq!((here.issues.len(), here.activity), (0, moved.activity.clone()));
        assert_eq!((there.issues, there.activity.len()), (strange.issues, 0));
    }
    assert_eq!(world.holdings("eu-west-1", TENANT).await, moved);
}

async fn went_back(database: Database) {
    let stranger = Stranger::of(database, "eu-west-1").await;
    let (world, kept, strange) =
        (&stranger.world, stranger.world.holdings("us-east-1", TENANT).await, stranger.holds().await);
    let id = world.start_move("eu").await;
    let elsewhere = {
        let (deployment, id, lead_there) = (world.deployment.clone(), id.clone(), Arc::new(stranger.lead_there()));
        Interject::new(Target::step("move", "verify", Moment::Before), move || {
            let (deployment, id, lead_there) = (deployment.clone(), id.clone(), Arc::clone(&lead_there));
            async move {
                cancel_move(&deployment, &id, &by()).await.expect("it is cancelled");
                lead_there();
            }
        })
    };
    world.run_until(elsewhere.clone(), || async { elsewhere.has_ended() }).await;
    let stopped = stranger.stopped(&id).await;
    assert_eq!((stranger.holds().await, world.tenant().await.realm.as_str()), (strange.clone(), "us"));
    let not_so = Accepted { late_writes: None, table: Some("x") };
    lead(&stranger.front, world.region("eu-west-1"));
    for removal in &stopped {
        replay_removal(&world.deployment, &removal.id, Accepted::NOTHING, &by()).await.expect("it is replayed");
    }
    world.run_until(NoFailpoints, || world.has_ended(&id)).await;
    assert!(world.holdings("eu-west-1", TENANT).await.is_empty(), "what was copied is gone");
    assert_eq!((world.holdings("us-east-1", TENANT).await, stranger.holds().await), (kept, strange));
    let done = replay_removal(&world.deployment, &stopped[0].id, not_so, &by()).await;
    done.expect("there is nothing to accept");
}
