//! A store that gets another name: what is under way goes on, what was there before the new name is removed by it, and no other store is
//! ever taken for it.

use std::sync::Arc;

use acceptance::failpoint_actions::{Interject, Target};
use acceptance::world::{Seed, TENANT};
use acceptance::{Database, World};
use catalogue::topologies;
use catalogue::topology::EndpointKind;
use engine::failpoints::Moment;
use testkit::proxy::Proxy;
use workflows::actor::Actor;
use workflows::refusal::Refusal;
use workflows::topology_change::{apply_topology, rename_endpoint};

on_both_databases!(a_move_goes_on_when_its_source_and_its_target_get_other_names, in_mid_move);
on_both_databases!(another_store_never_takes_the_place, another_store);

/// A front of each store of both regions, in the order of the topology.
struct Fronts(Vec<Proxy>);

impl Fronts {
    async fn of(world: &World) -> Self {
        let mut fronts = Vec::new();
        for endpoint in stores(world) {
            let target = endpoint.trim_start_matches("http://").trim_end_matches('/').parse().expect("an address");
            fronts.push(Proxy::start(Some(target)).await.expect("a free port"));
        }
        Self(fronts)
    }

    fn url(&self, n: usize) -> String {
        format!("http://127.0.0.1:{}", self.0[n].port())
    }
}

const STORES: [(&str, EndpointKind); 4] = [
    ("us-east-1", EndpointKind::Dynamodb),
    ("us-east-1", EndpointKind::S3),
    ("eu-west-1", EndpointKind::Dynamodb),
    ("eu-west-1", EndpointKind::S3),
];

fn stores(world: &World) -> Vec<String> {
    let endpoint = |(region, kind): (&str, EndpointKind)| {
        let region = world.region(region);
        match kind {
            EndpointKind::Dynamodb => region.dynamodb_endpoint().to_owned(),
            EndpointKind::S3 => region.s3_endpoint().to_owned(),
        }
    };
    STORES.into_iter().map(endpoint).collect()
}

fn by() -> Actor {
    Actor::new("test", "the stores have moved")
}

/// All stores are known to the ledger by names that end in mid-move.
async fn in_mid_move(database: Database) {
    let old: Vec<Proxy> = {
        let mut fronts = Vec::new();
        for _ in STORES {
            fronts.push(Proxy::start(None).await.expect("a free port"));
        }
        fronts
    };
    let lead = |world: &World| {
        for (front, endpoint) in old.iter().zip(stores(world)) {
            front.set_target(Some(
                endpoint.trim_start_matches("http://").trim_end_matches('/').parse().expect("an address"),
            ));
        }
    };
    let names: Vec<String> = old.iter().map(|front| format!("http://127.0.0.1:{}", front.port())).collect();
    let world = World::with_topology(database, Seed::SMALL, |yaml| {
        let lines = yaml.lines().map(|line| {
            let region = STORES.iter().position(|(region, _)| line.starts_with(&format!("  {region}: ")));
            let Some(n) = region else { return line.to_owned() };
            let mut parts: Vec<&str> = line.split('"').collect();
            (parts[1], parts[3]) = (&names[n], &names[n + 1]);
            parts.join("\"")
        });
        lines.collect::<Vec<_>>().join("\n")
    })
    .await;
    lead(&world);
    let moved = world.holdings("us-east-1", TENANT).await;
    let neighbour = world.neighbour().await;
    let new = Arc::new(Fronts::of(&world).await);
    let old = Arc::new(old);
    let renamed = {
        let (deployment, new, old) = (world.deployment.clone(), Arc::clone(&new), Arc::clone(&old));
        Interject::new(Target::step("move", "drain", Moment::Before), move || {
            let (deployment, new, old) = (deployment.clone(), Arc::clone(&new), Arc::clone(&old));
            async move {
                for (n, (region, kind)) in STORES.into_iter().enumerate() {
                    let renamed = rename_endpoint(&deployment, (region, kind), &new.url(n), &by()).await;
                    assert!(renamed.expect("it is the same store").changed);
                    old[n].set_target(None);
                    old[n].cut();
                }
            }
        })
    };
    let view = world.run_move("eu", renamed.clone()).await;
    assert!(renamed.has_ended(), "it was renamed in mid-move");
    assert_eq!((view.state.as_str(), world.tenant().await.realm.as_str()), ("completed", "eu"), "{:?}", view.error);
    assert_eq!(world.holdings("eu-west-1", TENANT).await, moved);
    assert!(world.holdings("us-east-1", TENANT).await.is_empty(), "removed by the new name");
    assert_eq!(world.neighbour().await, neighbour);

    let view = world.run_move("us", engine::failpoints::NoFailpoints).await;
    assert_eq!(view.state, "completed", "and back: {:?}", view.error);
    assert_eq!(world.holdings("us-east-1", TENANT).await, moved);
}

async fn another_store(database: Database) {
    let world = World::with_topology(database, Seed { issues: 3, activity: 0, media: 2 }, |yaml| {
        // So that names alone tell nothing apart.
        yaml.replace("media-{region}", "media-us-east-1")
    })
    .await;
    let target = testkit::region::s3_client(world.region("eu-west-1"));
    target.create_bucket().bucket("media-us-east-1").send().await.expect("a bucket is made");
    let (fronts, nowhere) = (Fronts::of(&world).await, Proxy::start(None).await.expect("a free port"));
    let in_force = || async {
        let mut tx = world.deployment.store.read().await.expect("a read begins");
        let current = topologies::current(&mut tx).await.expect("it can be read").expect("one was applied");
        tx.rollback().await.expect("it ends");
        current
    };
    let before = in_force().await;
    for (n, (region, kind)) in STORES.into_iter().enumerate() {
        let of_the_other_region = fronts.url((n + 2) % STORES.len());
        let nobody = format!("http://127.0.0.1:{}", nowhere.port());
        for (address, code) in [(of_the_other_region, "another_store"), (nobody, "store_not_asked")] {
            let refused =
                rename_endpoint(&world.deployment, (region, kind), &address, &by()).await.expect_err("refused");
            assert_eq!(refused.code(), code, "{region} {kind:?}: {refused}");
            assert!(refused.to_string().contains("nothing was changed"), "{refused}");
        }
    }
    let unknown = rename_endpoint(&world.deployment, ("mars", EndpointKind::S3), &fronts.url(1), &by()).await;
    assert_eq!(unknown.expect_err("refused").code(), "unknown_region");
    let taken = stores(&world)[2].clone();
    let taken = rename_endpoint(&world.deployment, STORES[0], &taken, &by()).await;
    assert_eq!(taken.expect_err("refused").code(), "address_invalid");
    assert_eq!(in_force().await, before);

    let renamed = rename_endpoint(&world.deployment, STORES[0], &fronts.url(0), &by()).await.expect("the same store");
    assert_eq!((renamed.changed, renamed.stored.version), (true, before.version + 1));
    let again = rename_endpoint(&world.deployment, STORES[0], &fronts.url(0), &by()).await.expect("the same store");
    assert!(!again.changed);
    let yaml = serde_json::to_string(&before.topology).expect("JSON is YAML");
    let refused = apply_topology(&world.deployment, &yaml, &by()).await.expect_err("the old file would lead back");
    let Refusal::Topology(problems) = refused else { panic!("{refused}") };
    let keeps = format!("write `address: {}`", fronts.url(0));
    assert!(problems.iter().all(|problem| problem.reason.contains(&keeps)), "{problems:?}");
    let yaml = serde_json::to_string(&renamed.stored.topology).expect("JSON is YAML");
    assert!(!apply_topology(&world.deployment, &yaml, &by()).await.expect("as it is").1);
    let back =
        rename_endpoint(&world.deployment, STORES[0], &stores(&world)[0], &by()).await.expect("its own endpoint");
    assert_eq!(back.stored.topology, before.topology);
}
