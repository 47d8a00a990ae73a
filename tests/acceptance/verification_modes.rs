//! What a move promises when less than everything is read back: the copy is as exact, the report says what was looked at, and the
//! modes find what `docs/verification.md` says they find.

use acceptance::failpoint_actions::{Interject, Target};
use acceptance::world::request;
use acceptance::{Database, World};
use engine::failpoints::{Failpoints, Moment, NoFailpoints};
use workers::Verification;
use workflows::actor::Actor;
use workflows::realm_move::{MoveRequest, MoveView, start_move};

on_both_databases!(every_mode_copies_exactly_and_reports_what_it_looked_at, every_mode);
on_both_databases!(a_dropped_item_is_found_by_the_modes_that_look, dropped_item);

const MODES: [Verification; 3] = [Verification::Full, Verification::Sampled, Verification::Off];

async fn move_with(world: &World, mode: Verification, failpoints: impl Failpoints) -> MoveView {
    let asked = MoveRequest { verification: mode, ..request("eu") };
    let id = start_move(&world.deployment, &asked, &Actor::realmctl("test")).await.expect("the move starts").id;
    world.run_until(failpoints, || world.has_ended(&id)).await;
    world.view(&id).await
}

async fn every_mode(database: Database) {
    for mode in MODES {
        let world = World::new(database).await;
        let before = world.holdings("us-east-1", "acme").await;
        let neighbour = world.neighbour().await;
        let done = move_with(&world, mode, NoFailpoints).await;
        assert_eq!((done.state.as_str(), done.verified), ("completed", mode != Verification::Off), "{done:?}");
        assert_eq!(world.holdings("eu-west-1", "acme").await, before);
        assert!(world.holdings("us-east-1", "acme").await.is_empty());
        assert_eq!(world.neighbour().await, neighbour);

        let report = &done.verification;
        let items: u64 = report.parts.iter().map(|part| part.items).sum();
        let read_back: u64 = report.parts.iter().filter(|part| part.items > 0).map(|part| part.read_back).sum();
        assert_eq!((report.mode, items), (mode, done.copied.items));
        // So few items are all in the sample.
        assert_eq!(read_back, if mode == Verification::Off { 0 } else { items }, "{report:?}");
        let compared = report.parts.iter().filter(|part| part.target_digest.is_some());
        assert!(compared.clone().all(|part| part.target_digest == part.source_digest), "{report:?}");
        assert_eq!(compared.count() == report.parts.len(), mode == Verification::Full, "{report:?}");
    }
}

/// Between the copy and the read-back somebody deletes an item at the target.
async fn dropped_item(database: Database) {
    for mode in MODES {
        let world = World::new(database).await;
        let before = world.holdings("us-east-1", "acme").await;
        let client = testkit::region::dynamodb_client(world.region("eu-west-1"));
        let (key, item) = before.issues.first_key_value().expect("the tenant has issues");
        let primary = ["pk", "sk"].map(|name| (name.to_owned(), item.get(name).cloned()));
        let drop_it = Interject::new(Target::step("move", "verify", Moment::Before), move || {
            let (client, primary) = (client.clone(), primary.clone());
            async move {
                let key = primary.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
                let deleted = client.delete_item().table_name("issues").set_key(Some(key)).send().await;
                deleted.expect("the item is deleted");
            }
        });
        let done = move_with(&world, mode, drop_it.clone()).await;
        let code = done.error.as_ref().map(|error| error.code.as_str());
        if mode == Verification::Off {
            assert_eq!((done.state.as_str(), done.verified), ("completed", false), "as documented, nobody looks");
            continue;
        }
        assert!(drop_it.was_reached());
        assert_eq!((done.state.as_str(), code), ("rolled_back", Some("verify_mismatch")), "{mode}: {done:?}");
        assert_eq!(world.holdings("us-east-1", "acme").await, before, "{key} is where it was");
        assert!(world.holdings("eu-west-1", "acme").await.is_empty());
    }
}
