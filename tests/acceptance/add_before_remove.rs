//! P3, judged at the stores: before the commit nothing is taken away anywhere, and after it the target is whole before the source
//! loses anything. Both regions are read with the plain SDK at every step of the move and at the end of every task.

use std::sync::{Arc, Mutex};

use acceptance::failpoint_actions::{Interject, Target};
use acceptance::world::{Holdings, holdings_of};
use acceptance::{Database, World};
use aws_sdk_dynamodb::types::AttributeValue;
use engine::StepError;
use engine::failpoints::{Failpoint, Failpoints, Moment};
use testkit::region::dynamodb_client;

on_both_databases!(nothing_is_removed_anywhere_before_the_commit, before_the_commit);
on_both_databases!(an_item_that_goes_too_early_is_noticed, noticed);

/// Where it was looked, and what was there.
type Look = (String, Vec<Holdings>);

/// What both regions hold of both tenants, read in the middle of steps and tasks.
#[derive(Clone)]
struct Watcher {
    regions: Arc<[(String, String, String)]>,
    seen: Arc<Mutex<Vec<Look>>>,
}

impl Watcher {
    fn new(world: &World) -> Self {
        let endpoints = |name: &str| {
            let region = world.region(name);
            (name.to_owned(), region.dynamodb_endpoint().to_owned(), region.s3_endpoint().to_owned())
        };
        Self { regions: Arc::new(["us-east-1", "eu-west-1"].map(endpoints)), seen: Arc::default() }
    }

    /// One look at a time, the last inside the commit: a task's can begin before it and would end after it. A look costs a second
    /// on a busy machine, so that waits are looked
    /// into once (`again` tells otherwise).
    fn look(&self, at: &str, again: bool) {
        let look = async {
            let mut all = Vec::new();
            for (name, dynamodb, s3) in self.regions.iter() {
                for tenant in ["acme", "acme-eu"] {
                    all.push(holdings_of(name, (dynamodb, s3), tenant).await);
                }
            }
            all
        };
        tokio::task::block_in_place(|| {
            let mut seen = self.seen.lock().expect("no holder panics");
            if seen.last().is_none_or(|(last, _)| (again || last != at) && last != "commit") {
                let all = tokio::runtime::Handle::current().block_on(look);
                seen.push((at.to_owned(), all));
            }
        });
    }

    /// The first look at which something was gone, if any; and how many there were.
    fn judge(&self) -> (usize, Option<String>) {
        let seen = self.seen.lock().expect("no holder panics");
        let pairs = seen.iter().zip(seen.iter().skip(1));
        let lost = pairs.filter(|((_, before), (_, after))| {
            before.iter().zip(after).any(|(before, after)| {
                before.issues.keys().any(|key| !after.issues.contains_key(key))
                    || before.activity.keys().any(|key| !after.activity.contains_key(key))
                    || before.media.keys().any(|key| !after.media.contains_key(key))
            })
        });
        (seen.len(), lost.map(|(_, (at, _))| at.clone()).next())
    }
}

impl Failpoints for Watcher {
    fn step(&self, point: Failpoint<'_>) -> Result<(), StepError> {
        // Inside each step's transaction, the one of the commit included.
        if point.kind == "move" && point.moment == Moment::Written && point.state != "notify" {
            self.look(point.state, false);
        }
        Ok(())
    }

    fn task(&self, point: Failpoint<'_>) -> Result<(), StepError> {
        if ["copy", "verify"].contains(&point.kind) && point.moment == Moment::Recorded {
            self.look(&format!("{} task", point.kind), true);
        }
        Ok(())
    }
}

async fn before_the_commit(database: Database) {
    let world = World::new(database).await;
    let data = world.holdings("us-east-1", "acme").await;
    let watcher = Watcher::new(&world);
    let done = world.run_move("eu", watcher.clone()).await;
    assert_eq!(done.state, "completed", "{done:?}");
    let (looks, lost) = watcher.judge();
    assert_eq!(lost, None, "something was removed before the commit");
    assert!(looks >= 12, "only {looks} looks");
    let seen = watcher.seen.lock().expect("no holder panics").clone();
    let (at, last) = seen.last().expect("it has looked");
    assert_eq!(at, "commit", "the last look is inside the commit");
    assert_eq!((&last[0], &last[2]), (&data, &data), "both places are whole when the tenant is switched over");
    assert!(world.holdings("us-east-1", "acme").await.is_empty(), "and afterwards the source is emptied");
}

/// The watcher itself: somebody deletes an item of the source while it is read back.
async fn noticed(database: Database) {
    let world = World::new(database).await;
    let watcher = Watcher::new(&world);
    let client = dynamodb_client(world.region("us-east-1"));
    let issues = world.holdings("us-east-1", "acme").await.issues;
    let item = issues.into_values().next().expect("the tenant has issues");
    let key = |name: &str| item.get(name).cloned().unwrap_or(AttributeValue::Null(true));
    let (pk, sk) = (key("pk"), key("sk"));
    let delete = Interject::new(Target::step("move", "verify", Moment::Before), move || {
        let delete = client.delete_item().table_name("issues").key("pk", pk.clone()).key("sk", sk.clone());
        async move { drop(delete.send().await.expect("it is deleted")) }
    });
    world.run_move("eu", Both(watcher.clone(), delete.clone())).await;
    assert!(delete.was_reached());
    assert!(watcher.judge().1.is_some(), "an item was gone before the commit, and the watcher saw nothing");
}

struct Both(Watcher, Interject);

impl Failpoints for Both {
    fn step(&self, point: Failpoint<'_>) -> Result<(), StepError> {
        self.1.step(Failpoint { kind: point.kind, state: point.state, moment: point.moment })?;
        self.0.step(point)
    }

    fn task(&self, point: Failpoint<'_>) -> Result<(), StepError> {
        self.0.task(point)
    }
}
