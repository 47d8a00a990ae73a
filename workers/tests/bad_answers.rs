//! The store leaves work undone, answers with empty pages, throttles and lies in its index: nothing is lost, doubled,
//! overwritten or deleted that should not be.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod common;

use aws_sdk_dynamodb::Client;
use common::front::{Front, Rules};
use common::*;
use serde_json::{Value, json};
use testkit::region::dynamodb_client;
use testkit::{Ports, Region, Storage, fixtures, observe};
use workers::place::Place;
use workers::{Depth, PartCopy, Verification};

const TABLE: &str = "issues";

struct Pair {
    source: Region,
    target: Region,
    from: Client,
    to: Client,
}

async fn pair() -> Pair {
    let source = Region::start("us-east-1", Storage::Memory, Ports::Any).unwrap();
    let target = Region::start("eu-west-1", Storage::Memory, Ports::Any).unwrap();
    let (from, to) = (dynamodb_client(&source), dynamodb_client(&target));
    for client in [&from, &to] {
        fixtures::create_table(client, TABLE, INDEX, INDEX_KEY).await.unwrap();
    }
    Pair { source, target, from, to }
}

impl Pair {
    async fn fronts(&self, rules: impl Fn() -> Rules) -> (Front, Front, Place, Place) {
        let source = Front::before(self.source.dynamodb_endpoint(), rules()).await;
        let target = Front::before(self.target.dynamodb_endpoint(), rules()).await;
        let from = table_at("us-east-1", &source.endpoint, TABLE, 1);
        let to = table_at("eu-west-1", &target.endpoint, TABLE, 1);
        (source, target, from, to)
    }

    async fn assert_equal(&self) {
        let (source, target) = (observe::table_items(&self.from, TABLE), observe::table_items(&self.to, TABLE));
        assert_eq!(source.await.unwrap(), target.await.unwrap());
    }
}

fn entry(n: u32, index_key: &str) -> Value {
    json!({ "pk": { "S": format!("p{n:05}") }, "sk": { "S": "s" }, INDEX_KEY: { "S": index_key } })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_undone_is_done_and_empty_pages_are_gone_past() {
    let pair = pair().await;
    fill(&pair.from, TABLE, "acme", 0..12).await;
    let bad = || Rules { split_writes: true, split_reads: true, empty_pages: true, ..Rules::default() };
    let (_source, target, from, to) = pair.fronts(bad).await;
    let movers = movers();

    let tallies = copy_all(&movers, &from, &to, "acme").await;
    assert_eq!(tallies[0].items, 12);
    assert_eq!(target.rules.lock().unwrap().written, 12, "each item is written once");
    pair.assert_equal().await;
    let verified = movers.verify(acme(&from, &to), &tallies[0], &Kept::all()).await.unwrap();
    assert_eq!(verified.tally, Some(tallies[0]));

    let removed = remove_all(&movers, &to, "acme").await;
    assert_eq!(removed, tallies[0]);
    assert!(observe::table_items(&pair.to, TABLE).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn throttled_writes_are_repeated() {
    let pair = pair().await;
    fill(&pair.from, TABLE, "acme", 0..300).await;
    let (_source, _target, from, to) = pair.fronts(|| Rules { throttle_every: Some(3), ..Rules::default() }).await;
    let tallies = copy_all(&movers(), &from, &to, "acme").await;
    assert_eq!(tallies[0].items, 300);
    pair.assert_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_never_writes_is_given_up_as_throttled() {
    let pair = pair().await;
    fill(&pair.from, TABLE, "acme", 0..10).await;
    let (_source, _target, from, to) = pair.fronts(|| Rules { never_write: true, ..Rules::default() }).await;
    let settings = workers::Settings { attempts: 3, ..settings() };
    let movers = workers::Movers::new(workers::CredentialsFrom::Fixed(testkit::region::credentials()), settings);
    let ledger = Allows::writes();
    let error = movers.copy(acme(&from, &to), &ledger.permits(), &Kept::all(), None).await.unwrap_err();
    assert_eq!((error.code, error.treatment), ("throttled", workers::error::Treatment::Retryable));
}

/// What the movers ask of a table to read it.
const READS: [&str; 3] = ["DescribeTable", "Query", "BatchGetItem"];

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_of_each_kind_is_asked_for_again_by_every_operation() {
    let pair = pair().await;
    fill(&pair.from, TABLE, "acme", 0..40).await;
    let (source, target, from, to) = pair.fronts(Rules::default).await;
    let lose = |at_source: &[&'static str], at_target: &[&'static str]| {
        for (front, operations) in [(&source, at_source), (&target, at_target)] {
            let before = std::mem::replace(&mut front.rules.lock().unwrap().lose, operations.to_vec());
            assert_eq!(before, Vec::<&str>::new(), "these answers were never asked for");
        }
    };
    // New movers each time: the same ones would remember the table's description.
    lose(&READS, &[]);
    assert!(!movers().inspect(&from, "acme").await.unwrap().empty);
    lose(&[], &READS[..2]);
    assert!(movers().inspect(&to, "acme").await.unwrap().empty);
    lose(&READS[..1], &[]);
    assert!(movers().replicates_to(&from, "acme").await.unwrap().is_empty());
    for (depth, lost) in [(Depth::Listed, &READS[..2]), (Depth::Sampled, &READS)] {
        lose(lost, &[]);
        assert_eq!(movers().survey(&from, "acme", depth).await.unwrap().size.items, 40);
    }

    let (writes, removal) = (Allows::writes(), Allows::removal());
    lose(&READS, &["DescribeTable", "BatchGetItem", "BatchWriteItem"]);
    let tally = movers().copy(acme(&from, &to), &writes.permits(), &Kept::all(), None).await.unwrap();
    pair.assert_equal().await;
    lose(&READS, &[]);
    assert_eq!(movers().digest(acme_at(&from), &Kept::all(), None).await.unwrap(), tally);
    for (verification, at_source) in [(Verification::Full, &READS[..1]), (Verification::Sampled, &READS)] {
        lose(at_source, &READS);
        let copy = PartCopy { verification, ..acme(&from, &to) };
        assert_eq!(movers().verify(copy, &tally, &Kept::all()).await.unwrap().passes, 1);
    }
    put(&pair.from, TABLE, item(7, "acme#0", "changed")).await;
    put(&pair.to, TABLE, item(7, "acme#0", "changed")).await;
    lose(&READS, &READS[..1]);
    movers().compare(acme_at(&from), Some(&to), &tally.into(), &Kept::all(), None).await.unwrap();
    lose(&["DescribeTable", "Query", "BatchGetItem", "BatchWriteItem"], &[]);
    movers().remove(acme_at(&from), &removal.permits(), &Kept::all(), None).await.unwrap();
    lose(&[], &[]);
    assert!(observe::table_items(&pair.from, TABLE).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn items_that_the_index_lists_wrongly_are_neither_copied_nor_deleted() {
    let pair = pair().await;
    fill(&pair.from, TABLE, "acme", 0..20).await;
    // Item 100 has moved to another tenant, 101 to a part far away, 102 has lost its index key, 103 is gone.
    put(&pair.from, TABLE, item(100, "acme-eu#0", "not acme's")).await;
    put(&pair.from, TABLE, item(101, "acme#99", "another part")).await;
    let mut bare = item(102, "", "no index key");
    bare.remove(INDEX_KEY);
    put(&pair.from, TABLE, bare).await;
    let before = observe::table_items(&pair.from, TABLE).await.unwrap();
    // Entry 5 is listed twice.
    let lies: Vec<_> = [100, 101, 102, 103, 5].map(|n| entry(n, "acme#0")).into();
    let rules = || Rules { lies: [("acme#0".to_owned(), lies.clone())].into(), ..Rules::default() };
    let (_source, _target, from, to) = pair.fronts(rules).await;
    let movers = movers();

    let tallies = copy_all(&movers, &from, &to, "acme").await;
    let copied = observe::table_items(&pair.to, TABLE).await.unwrap();
    assert_eq!(copied.len(), 20);
    assert!(copied.iter().all(|(key, item)| before[key] == *item));
    assert_eq!(tallies[0].items, 20);

    remove_all(&movers, &from, "acme").await;
    let left = observe::table_items(&pair.from, TABLE).await.unwrap();
    assert_eq!(left.len(), 3);
    assert!(left.iter().all(|(key, item)| before[key] == *item));
    assert!(!movers.inspect(&to, "acme").await.unwrap().empty);
    assert!(movers.inspect(&table(&pair.source, TABLE, 1), "acme").await.unwrap().empty);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_index_is_waited_for() {
    let pair = pair().await;
    fill(&pair.from, TABLE, "acme", 0..60).await;
    let rules = || Rules { late: Some(("p00007".to_owned(), 2)), ..Rules::default() };
    let (source, target, from, to) = pair.fronts(rules).await;
    let movers = movers();
    let tallies = copy_all(&movers, &from, &to, "acme").await;
    assert_eq!(tallies[0].items, 60);
    // First copy, a look that differs, a look at which keys, copy again, a look that agrees.
    assert_eq!(source.rules.lock().unwrap().passes, 5);
    movers.verify(acme(&from, &to), &tallies[0], &Kept::all()).await.unwrap();
    pair.assert_equal().await;

    target.rules.lock().unwrap().late = Some(("p00007".to_owned(), 4));
    let removed = remove_all(&movers, &to, "acme").await;
    assert_eq!(removed, tallies[0]);
    assert!(observe::table_items(&pair.to, TABLE).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_never_settles_is_given_up() {
    let pair = pair().await;
    fill(&pair.from, TABLE, "acme", 0..30).await;
    let (source, _target, from, to) = pair.fronts(Rules::default).await;
    // A writer that is never done: every look at the checkpoints, another item.
    struct Writer(Client, Kept);
    #[async_trait::async_trait]
    impl workers::progress::Checkpoints for Writer {
        async fn save(&self, resume: Value, done: workers::progress::Tally) -> Result<(), workers::error::WorkError> {
            let n = 1000 + u32::try_from(self.1.resumes().len()).unwrap();
            put(&self.0, TABLE, item(n, "acme#0", "late")).await;
            self.1.save(resume, done).await
        }

        async fn alive(&self) -> Result<(), workers::error::WorkError> {
            Ok(())
        }
    }
    let writer = Writer(pair.from.clone(), Kept::all());
    let ledger = Allows::writes();
    let error = movers().copy(acme(&from, &to), &ledger.permits(), &writer, None).await.unwrap_err();
    assert_eq!((error.code, error.treatment), ("source_written", workers::error::Treatment::Permanent));
    assert!(source.rules.lock().unwrap().passes <= 8, "bounded");

    // Once the writer is done, another attempt succeeds; it begins anew, as a move that has rolled back does.
    let kept = Kept::all();
    let tally = movers().copy(acme(&from, &to), &ledger.permits(), &kept, None).await.unwrap();
    assert!(tally.items > 30);
    movers().verify(acme(&from, &to), &tally, &Kept::all()).await.unwrap();
    pair.assert_equal().await;
}
