//! A replica that is about to be left: what only it has is found, and what is on its way to the copy that
//! stays is not taken for that.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::*;
use testkit::fault_proxies::lag::Lag;
use testkit::region::{dynamodb_client, dynamodb_client_at};
use testkit::{Ports, Region, Storage, fixtures};
use workers::error::WorkError;
use workers::progress::Tally;
use workers::{Differs, Leaving};

const WAIT: Duration = Duration::from_millis(400);

/// Two regions with the same items of the tenant.
async fn replicas() -> (Region, Region) {
    let regions = ["us-east-1", "eu-west-1"].map(|name| Region::start(name, Storage::Memory, Ports::Any).unwrap());
    for region in &regions {
        fixtures::create_table(&dynamodb_client(region), "issues", INDEX, INDEX_KEY).await.unwrap();
        fixtures::seed_items(region, "issues", INDEX_KEY, "acme", 1, 30, 7).await.unwrap();
    }
    let [left, stays] = regions;
    (left, stays)
}

async fn write(region: &Region, pk: &str) {
    fixtures::write_item(&dynamodb_client(region), "issues", (INDEX_KEY, "acme#0"), pk).await.unwrap();
}

async fn compare(left: &Region, stays: &Region, asked: Leaving) -> Result<Tally, WorkError> {
    let (at, kept) = (table(left, "issues", 1), table(stays, "issues", 1));
    movers().compare_replica(acme_at(&at), &kept, asked, &Kept::all(), None).await
}

fn asked(differs: Differs) -> Leaving {
    Leaving { differs, first_after: Duration::ZERO, again_after: WAIT, known: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_left_replica_has_is_named_and_what_only_the_other_has_is_no_loss() {
    let (left, stays) = replicas().await;
    write(&stays, "only-there").await;
    let all = compare(&left, &stays, asked(Differs::InAnyWay)).await.unwrap();
    assert_eq!(all.items, 30);
    write(&left, "only-here").await;
    for differs in [Differs::InAnyWay, Differs::WhenLacking] {
        let error = compare(&left, &stays, asked(differs)).await.unwrap_err();
        assert_eq!(error.code, "replica_diverged");
        assert!(error.message.contains("extra pk=only-here, sk=late"), "{}", error.message);
        assert!(!error.message.contains("only-there"), "{}", error.message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_in_between_is_no_difference() {
    let (left, stays) = replicas().await;
    write(&left, "on-its-way").await;
    let arrives = async {
        tokio::time::sleep(WAIT / 4).await;
        write(&stays, "on-its-way").await;
    };
    // So long that a machine which stands still for seconds does not make it late.
    let asked = Leaving { again_after: WAIT * 20, ..asked(Differs::InAnyWay) };
    let (compared, ()) = tokio::join!(compare(&left, &stays, asked), arrives);
    assert_eq!(compared.unwrap().items, 31);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_right_before_is_compared_though_an_index_lists_it_late() {
    let (left, stays) = replicas().await;
    let (begun, runs) = (Instant::now(), Arc::new(AtomicBool::new(false)));
    let clock = Arc::clone(&runs);
    let time = move || if clock.load(Ordering::SeqCst) { begun.elapsed() } else { Duration::ZERO };
    let lag = Lag::before(&left, WAIT / 2, Arc::new(time)).unwrap();
    let client = dynamodb_client_at(left.name(), lag.endpoint());
    let (at, kept) = (table_at(left.name(), lag.endpoint(), "issues", 1), table(&stays, "issues", 1));
    for (pk, first_after) in [("not-listed", Duration::ZERO), ("listed-late", WAIT)] {
        runs.store(!first_after.is_zero(), Ordering::SeqCst);
        fixtures::write_item(&client, "issues", (INDEX_KEY, "acme#0"), pk).await.unwrap();
        let asked = Leaving { first_after, ..asked(Differs::InAnyWay) };
        let compared = movers().compare_replica(acme_at(&at), &kept, asked, &Kept::all(), None).await;
        match compared {
            Ok(_) => assert!(first_after.is_zero(), "{pk} was overlooked"),
            Err(error) => assert!(error.message.contains(pk), "{}", error.message),
        }
    }
    assert!(lag.hidden() > 0, "without the wait nothing would be late");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_to_have_been_there_is_not_looked_up_again() {
    let (left, stays) = replicas().await;
    let known = compare(&left, &stays, asked(Differs::InAnyWay)).await.unwrap();
    let client = dynamodb_client(&stays);
    let item = testkit::observe::table_items(&client, "issues").await.unwrap().into_values().next().unwrap();
    let delete = client.delete_item().table_name("issues").key("pk", item["pk"].clone()).key("sk", item["sk"].clone());
    delete.send().await.unwrap();
    let again = Leaving { known: Some(known), ..asked(Differs::WhenLacking) };
    assert_eq!(compare(&left, &stays, again).await.unwrap(), known, "it was deleted rightly, after the switch");
    write(&left, "written-since").await;
    let error = compare(&left, &stays, again).await.unwrap_err();
    assert!(error.message.contains("pk=written-since"), "{}", error.message);
}
