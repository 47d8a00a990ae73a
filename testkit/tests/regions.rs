//! Regions start, share nothing, stop cleanly and, on disk, come back with their data.

use aws_sdk_dynamodb::types::{AttributeValue, StreamSpecification, StreamViewType};
use aws_sdk_s3::primitives::ByteStream;
use testkit::region::{dynamodb_client, s3_client};
use testkit::{Error, Ports, Region, Storage, fixtures, observe, prepare};

const SHARD: &str = "tenant_shard";

#[tokio::test]
async fn two_regions_share_no_data() -> Result<(), Error> {
    let one = Region::start("us-east-1", Storage::Memory, Ports::Any)?;
    let two = Region::start("eu-west-1", Storage::Memory, Ports::Any)?;
    assert_ne!(one.dynamodb_endpoint(), two.dynamodb_endpoint());
    for place in [&one, &two] {
        fixtures::create_table(&dynamodb_client(place), "issues", "by-tenant", SHARD).await?;
        fixtures::create_bucket(&s3_client(place), "media").await?;
    }
    fixtures::seed_items(&one, "issues", SHARD, "acme", 10, 5, 1).await?;
    fixtures::seed_objects(&one, "media", "acme/", 5, 1).await?;
    assert_eq!(observe::table_items(&dynamodb_client(&one), "issues").await?.len(), 5);
    assert_eq!(observe::bucket_objects(&s3_client(&one), "media", "").await?.len(), 5);
    assert!(observe::table_items(&dynamodb_client(&two), "issues").await?.is_empty());
    assert!(observe::bucket_objects(&s3_client(&two), "media", "").await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_region_on_disk_comes_back_on_its_ports_with_its_data() -> Result<(), Error> {
    let folder = tempfile::tempdir().map_err(|error| Error::new("make a folder", error))?;
    let storage = Storage::Disk(folder.path().join("us-east-1"));
    let first = Region::start("us-east-1", storage.clone(), Ports::Any)?;
    prepare(&[&first]).await?;
    fixtures::seed_items(&first, "issues", SHARD, "acme", 10, 40, 1).await?;
    fixtures::seed_objects(&first, "media-us-east-1", "acme/", 25, 1).await?;
    let items = observe::table_items(&dynamodb_client(&first), "issues").await?;
    let objects = observe::bucket_objects(&s3_client(&first), "media-us-east-1", "").await?;
    let ports = Ports::Fixed { dynamodb: port(first.dynamodb_endpoint()), s3: port(first.s3_endpoint()) };
    let endpoint = first.s3_endpoint().to_owned();
    drop(first);

    let again = Region::start("us-east-1", storage, ports)?;
    assert_eq!(again.s3_endpoint(), endpoint);
    assert_eq!(items.len(), 40);
    assert_eq!(objects.len(), 25);
    assert_eq!(items, observe::table_items(&dynamodb_client(&again), "issues").await?);
    assert_eq!(objects, observe::bucket_objects(&s3_client(&again), "media-us-east-1", "").await?);
    Ok(())
}

#[tokio::test]
async fn a_dropped_region_answers_no_more() -> Result<(), Error> {
    let place = Region::start("us-east-1", Storage::Memory, Ports::Any)?;
    let endpoints = [place.dynamodb_endpoint().to_owned(), place.s3_endpoint().to_owned()];
    // An idle connection of a client must not keep a server alive.
    let client = s3_client(&place);
    fixtures::create_bucket(&client, "media").await?;
    drop(place);
    for endpoint in endpoints {
        assert!(std::net::TcpStream::connect(("127.0.0.1", port(&endpoint))).is_err(), "{endpoint} still listens");
    }
    Ok(())
}

#[tokio::test]
async fn a_port_in_use_is_an_error_that_names_it() -> Result<(), Error> {
    let place = Region::start("us-east-1", Storage::Memory, Ports::Any)?;
    let (dynamodb, s3) = (port(place.dynamodb_endpoint()), port(place.s3_endpoint()));
    let error = Region::start("eu-west-1", Storage::Memory, Ports::Fixed { dynamodb, s3 });
    let message = error.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(message.contains(&format!("127.0.0.1:{dynamodb}")), "{message}");
    Ok(())
}

#[tokio::test]
async fn many_regions_run_side_by_side() -> Result<(), Error> {
    let names = ["us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-southeast-2"];
    let regions = names.iter().map(|name| Region::start(name, Storage::Memory, Ports::Any));
    let regions = regions.collect::<Result<Vec<_>, _>>()?;
    prepare(&regions.iter().collect::<Vec<_>>()).await?;
    for place in &regions {
        let located = s3_client(place).get_bucket_location().bucket(format!("media-{}", place.name())).send().await;
        let located = located.map_err(|error| Error::new("locate the bucket", error))?;
        // For us-east-1 the answer is empty, here as at AWS.
        let named = located.location_constraint().map_or("", |constraint| constraint.as_str());
        let named = if named.is_empty() { "us-east-1" } else { named };
        assert_eq!(named, place.name());
    }
    Ok(())
}

/// The emulator's stream table has no index of its own; writes under a stream would slow down with each one.
#[tokio::test]
async fn tables_with_streams_take_writes() -> Result<(), Error> {
    let place = Region::start("us-east-1", Storage::Memory, Ports::Any)?;
    let client = dynamodb_client(&place);
    fixtures::create_table(&client, "issues", "by-tenant", SHARD).await?;
    let stream = StreamSpecification::builder().stream_enabled(true).stream_view_type(StreamViewType::NewImage).build();
    let stream = stream.map_err(|error| Error::new("describe the stream", error))?;
    let update = client.update_table().table_name("issues").stream_specification(stream).send().await;
    update.map_err(|error| Error::new("enable the stream", error))?;
    fixtures::seed_items(&place, "issues", SHARD, "acme", 10, 2_000, 1).await?;
    let got = client
        .get_item()
        .table_name("issues")
        .key("pk", AttributeValue::S("acme/project-0".into()))
        .key("sk", AttributeValue::S("issue-00000000".into()))
        .send()
        .await
        .map_err(|error| Error::new("get an item", error))?;
    assert!(got.item.is_some());
    Ok(())
}

#[tokio::test]
async fn the_s3_refuses_a_wrong_signature() -> Result<(), Error> {
    use aws_sdk_s3::config::{BehaviorVersion, Builder, Credentials, Region as SdkRegion};
    let place = Region::start("us-east-1", Storage::Memory, Ports::Any)?;
    fixtures::create_bucket(&s3_client(&place), "media").await?;
    let signed_with = |secret: &str| {
        let config = Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(SdkRegion::new("us-east-1"))
            .endpoint_url(place.s3_endpoint())
            .force_path_style(true)
            .credentials_provider(Credentials::new("ANYKEY", secret, None, None, "test"))
            .http_client(aws_smithy_http_client::Builder::new().build_http());
        aws_sdk_s3::Client::from_conf(config.build())
    };
    let put = |client: aws_sdk_s3::Client| async move {
        client.put_object().bucket("media").key("k").body(ByteStream::from_static(b"x")).send().await
    };
    let right = testkit::region::credentials();
    assert!(put(signed_with(right.secret_access_key())).await.is_ok());
    let refused =
        put(signed_with("wrong")).await.err().and_then(|error| error.raw_response().map(|raw| raw.status().as_u16()));
    assert_eq!(refused, Some(403));
    Ok(())
}

fn port(endpoint: &str) -> u16 {
    endpoint.rsplit(':').next().and_then(|port| port.parse().ok()).expect("endpoints end in a port")
}
