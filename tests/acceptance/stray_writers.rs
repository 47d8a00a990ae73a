//! P1: something that goes on writing to the source after the drain does not keep the tenant offline: the first look that sees it
//! ends the move, and names the keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use acceptance::{Database, World};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use catalogue::tenants::TenantStatus;
use engine::StepError;
use engine::failpoints::{Failpoint, Failpoints, Moment};
use testkit::observe::Item;

/// Writes once more at every checkpoint of a copy: a busy machine may keep the other writer from its turn.
struct WritesWithEachCopy {
    client: Client,
    item: Item,
    written: Arc<AtomicU32>,
}

impl Failpoints for WritesWithEachCopy {
    fn step(&self, _: Failpoint<'_>) -> Result<(), StepError> {
        Ok(())
    }

    fn task(&self, point: Failpoint<'_>) -> Result<(), StepError> {
        if point.kind == "copy" && point.moment == Moment::Written {
            let mut item = self.item.clone();
            let n = self.written.fetch_add(1, Ordering::SeqCst);
            item.insert("stray".to_owned(), AttributeValue::N(format!("-{n}")));
            let put = self.client.put_item().table_name("issues").set_item(Some(item)).send();
            let written = async { put.await.map(drop).expect("nobody stops it") };
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(written));
        }
        Ok(())
    }
}

on_both_databases!(a_writer_that_goes_on_after_the_drain_ends_the_move_and_is_named, stray_writer);

async fn stray_writer(database: Database) {
    let world = World::new(database).await;
    let client = testkit::region::dynamodb_client(world.region("us-east-1"));
    let held = world.holdings("us-east-1", "acme").await;
    let mut item = held.issues.first_key_value().expect("the tenant has issues").1.clone();
    let AttributeValue::S(key) = item["pk"].clone() else { panic!("{item:?}") };
    let failpoints = WritesWithEachCopy { client: client.clone(), item: item.clone(), written: Arc::default() };
    let stray = async {
        let mut every = tokio::time::interval(Duration::from_millis(5));
        for n in 0.. {
            every.tick().await;
            item.insert("stray".to_owned(), AttributeValue::N(n.to_string()));
            let written = client.put_item().table_name("issues").set_item(Some(item.clone().into_iter().collect()));
            written.send().await.expect("nobody stops it");
        }
    };
    let done = tokio::select! {
        done = world.run_move("eu", failpoints) => done,
        () = stray => unreachable!("it never ends"),
    };
    let error = done.error.as_ref().expect("it says why");
    assert_eq!((done.state.as_str(), error.code.as_str()), ("rolled_back", "source_written"), "{done:?}");
    assert!(error.message.contains(&format!("changed pk={}", key.escape_debug())), "{error:?}");
    // One attempt of one pass and a look; there used to be eight of eight.
    let history = world.history(&done.id).await;
    assert!(
        history.iter().any(|(from, to, _)| (from.as_str(), to.as_str()) == ("add_data", "re_online")),
        "{history:?}"
    );
    let tenant = world.tenant().await;
    assert_eq!((tenant.status, tenant.realm.as_str()), (TenantStatus::Online, "us"));
    assert!(world.holdings("eu-west-1", "acme").await.is_empty());
}
