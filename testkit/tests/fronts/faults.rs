//! Each fault happens as it does on a network, to a plain SDK client, and is counted.

use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use testkit::fault_proxies::faults::{Effect, Fault, Faults, Latency, Odds};
use testkit::region::{dynamodb_client, s3_client, s3_client_at};
use testkit::{Ports, Region, Storage, fixtures};

use crate::common::*;

async fn region() -> Region {
    let region = Region::start("eu-west-1", Storage::Memory, Ports::Any).unwrap();
    fixtures::create_table(&dynamodb_client(&region), TABLE, INDEX, KEY).await.unwrap();
    fixtures::create_bucket(&s3_client(&region), "media").await.unwrap();
    region
}

fn always(fault: Fault) -> Odds {
    Odds { faults: vec![(fault, 1.0)], ..Odds::default() }
}

/// Writes an item, of which the answer never comes: the fault must be seen to happen, and the client to wait on.
async fn write_without_answer(region: &Region, faults: &Faults, n: usize, (fault, done): (Fault, bool)) {
    let put = once(faults.endpoint(), "MOVER").put_item().table_name(TABLE).set_item(Some(item(n, "acme#0")));
    let mut asked = tokio::spawn(put.send());
    let happened = async {
        while faults.happened() != [(fault, 1)].into() || is_there(region, n).await != done {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), happened).await.expect("the fault happens");
    let answered = tokio::time::timeout(Duration::from_millis(300), &mut asked).await;
    assert!(answered.is_err(), "{fault:?}: {answered:?}");
    asked.abort();
}

async fn is_there(region: &Region, n: usize) -> bool {
    let get = dynamodb_client(region).get_item().table_name(TABLE).set_key(Some(key(n)));
    get.consistent_read(true).send().await.unwrap().item.is_some()
}

#[tokio::test]
async fn each_fault_happens_before_or_after_the_effect_and_is_counted() {
    let region = region().await;
    let cases = [
        (Fault::ServerError(Effect::None), false),
        (Fault::ServerError(Effect::Done), true),
        (Fault::Reset(Effect::None), false),
        (Fault::Reset(Effect::Done), true),
        (Fault::Timeout(Effect::None), false),
        (Fault::Timeout(Effect::Done), true),
        (Fault::Truncated, true),
    ];
    for (n, (fault, done)) in cases.into_iter().enumerate() {
        let faults = Faults::before(region.dynamodb_endpoint(), 1, always(fault)).unwrap();
        if matches!(fault, Fault::Timeout(_)) {
            write_without_answer(&region, &faults, n, (fault, done)).await;
        } else {
            let client = once(faults.endpoint(), "MOVER");
            let error = client.put_item().table_name(TABLE).set_item(Some(item(n, "acme#0"))).send().await.unwrap_err();
            let seen = format!("{error:?}");
            let as_expected = match (fault, &error) {
                (Fault::ServerError(_), SdkError::ServiceError(answer)) => answer.raw().status().as_u16() == 500,
                (Fault::Reset(_), SdkError::DispatchFailure(_)) => seen.contains("ConnectionReset"),
                (Fault::Truncated, SdkError::ResponseError(_) | SdkError::DispatchFailure(_)) => true,
                _ => false,
            };
            assert!(as_expected, "{fault:?}: {seen}");
        }
        assert_eq!(is_there(&region, n).await, done, "{fault:?}");
        assert_eq!((faults.requests(), faults.happened()), (1, [(fault, 1)].into()));
        // The next connection is served.
        faults.set(Odds::default());
        once(faults.endpoint(), "MOVER").list_tables().send().await.unwrap();
    }
}

#[tokio::test]
async fn a_truncated_answer_carries_its_first_half() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let region = region().await;
    let faults = Faults::before(region.s3_endpoint(), 1, always(Fault::Truncated)).unwrap();
    let address = faults.endpoint().strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("GET / HTTP/1.1\r\nhost: {address}\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let mut lengths =
        head.lines().filter_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let announced: usize = lengths.next().expect("a length is announced");
    assert_eq!(body.len(), announced / 2, "{answer}");
    assert!(!body.is_empty());
}

/// The same seed, the same faults; different seeds, different ones. A client that tries again gets through.
#[tokio::test]
async fn what_happens_follows_from_the_seed() {
    let region = region().await;
    let fates = async |seed| {
        let faults = Faults::before(region.dynamodb_endpoint(), seed, Odds::of_each(0.5)).unwrap();
        let client = once(faults.endpoint(), "MOVER");
        let mut fates = Vec::new();
        for n in 0..60 {
            let put = client.put_item().table_name(TABLE).set_item(Some(item(n, "acme#0")));
            fates.push(put.send().await.is_ok());
        }
        (fates, faults.happened())
    };
    let first = fates(1).await;
    assert_eq!(first, fates(1).await);
    assert_ne!(first.0, fates(2).await.0);
    assert_eq!(first.1.values().sum::<u64>(), first.0.iter().filter(|fine| !**fine).count() as u64);
    assert_eq!(first.1.len(), 7, "each kind happened: {:?}", first.1);
}

/// It stands before an S3 as well: signatures stay valid, and errors are in S3's words.
#[tokio::test]
async fn an_s3_behind_it_works_as_before() {
    let region = region().await;
    let faults = Faults::before(region.s3_endpoint(), 1, Odds::default()).unwrap();
    let client = s3_client_at("eu-west-1", faults.endpoint());
    let put = client.put_object().bucket("media").key("a b/ü?").body(b"content".to_vec().into());
    put.send().await.unwrap();
    // An empty body has a length as well, and it is signed.
    client.put_object().bucket("media").key("empty").body(Vec::new().into()).send().await.unwrap();
    let got = client.get_object().bucket("media").key("a b/ü?").send().await.unwrap();
    assert_eq!(got.body.collect().await.unwrap().into_bytes().as_ref(), b"content");
    faults.set(always(Fault::ServerError(Effect::None)));
    let error = client.get_object().bucket("media").key("a b/ü?").send().await.unwrap_err();
    assert_eq!(error.raw_response().map(|raw| raw.status().as_u16()), Some(503), "{error:?}");
    assert!(faults.requests() > 2, "the SDK tried again");
}

#[tokio::test]
async fn requests_are_held_up() {
    let region = region().await;
    let held = Duration::from_millis(40);
    let latency = Latency { usual: (held, held), ..Latency::default() };
    let faults = Faults::before(region.dynamodb_endpoint(), 1, Odds::default().with_latency(latency)).unwrap();
    let client = once(faults.endpoint(), "MOVER");
    let before = std::time::Instant::now();
    client.list_tables().send().await.unwrap();
    assert!(before.elapsed() >= held, "no sooner than that");
}
