//! The fixtures give the same data every time, whichever way it is put there, and the observers read all of it.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::{AttributeValue, ScalarAttributeType};
use testkit::fixtures::{self, belongs_to};
use testkit::region::{dynamodb_client, s3_client};
use testkit::{Error, Ports, Region, Storage, observe, prepare, topology};

fn region(name: &str) -> Result<Region, Error> {
    Region::start(name, Storage::Memory, Ports::Any)
}

#[tokio::test]
async fn items_are_the_same_in_every_region() -> Result<(), Error> {
    let (one, two) = (region("us-east-1")?, region("eu-west-1")?);
    prepare(&[&one, &two]).await?;
    for place in [&one, &two] {
        fixtures::seed_items(place, "issues", "tenant_shard", "acme", 10, 60, 7).await?;
    }
    let items = observe::table_items(&dynamodb_client(&one), "issues").await?;
    assert_eq!(items.len(), 60);
    assert_eq!(items, observe::table_items(&dynamodb_client(&two), "issues").await?);
    Ok(())
}

#[tokio::test]
async fn what_was_seeded_is_what_is_observed() -> Result<(), Error> {
    let place = region("us-east-1")?;
    prepare(&[&place]).await?;
    fixtures::seed_items(&place, "issues", "tenant_shard", "acme", 10, 40, 7).await?;
    let items = observe::table_items(&dynamodb_client(&place), "issues").await?;
    let observed: BTreeSet<String> =
        items.values().filter_map(|item| item.get("pk")).map(|key| format!("{key:?}")).collect();
    let seeded: BTreeSet<String> = (0..40)
        .map(|number| fixtures::item("tenant_shard", "acme", 10, number, 7))
        .map(|item| format!("{:?}", item["pk"]))
        .collect();
    assert_eq!(observed, seeded);
    let kinds = ["Case", "case", "numbers", "binary", "nested", "sets", "empty", "large"];
    for kind in kinds {
        let key = AttributeValue::S(format!("acme/{kind}"));
        assert!(items.values().any(|item| item.get("pk") == Some(&key)), "{kind} is missing");
    }
    let long = items.values().filter(|item| item["sk"].as_s().is_ok_and(|key| key.len() == 1024)).count();
    assert_eq!(long, 1);
    Ok(())
}

#[tokio::test]
async fn a_bulk_import_leaves_what_writing_leaves() -> Result<(), Error> {
    let (written, imported) = (region("us-east-1")?, region("eu-west-1")?);
    prepare(&[&written, &imported]).await?;
    fixtures::import_items(&imported, "issues", "tenant_shard", "acme", 10, 600, 7)?;
    fixtures::seed_items(&written, "issues", "tenant_shard", "acme", 10, 600, 7).await?;
    let items = observe::table_items(&dynamodb_client(&written), "issues").await?;
    assert_eq!(items.len(), 600);
    assert!(items == observe::table_items(&dynamodb_client(&imported), "issues").await?, "the tables differ");
    let page = dynamodb_client(&imported)
        .query()
        .table_name("issues")
        .index_name("by-tenant")
        .key_condition_expression("tenant_shard = :shard")
        .expression_attribute_values(":shard", AttributeValue::S("acme#3".into()))
        .select(aws_sdk_dynamodb::types::Select::Count)
        .send()
        .await
        .map_err(|error| Error::new("query the index", error))?;
    assert!(page.count > 20, "the index of an imported table has {} items of one shard", page.count);
    Ok(())
}

#[tokio::test]
async fn a_tenant_is_told_from_its_neighbours() -> Result<(), Error> {
    let place = region("us-east-1")?;
    prepare(&[&place]).await?;
    for (tenant, count) in [("acme", 30), ("acme-2", 12), ("ac", 5)] {
        fixtures::seed_items(&place, "activity", "tenant_shard", tenant, 4, count, 1).await?;
    }
    let client = dynamodb_client(&place);
    for (tenant, count) in [("acme", 30), ("acme-2", 12), ("ac", 5), ("nobody", 0)] {
        let items = observe::tenant_items(&client, "activity", "tenant_shard", tenant).await?;
        assert_eq!(items.len(), count, "{tenant}");
    }
    assert!(belongs_to("acme", "acme#3"));
    assert!(!belongs_to("acme", "acme#") && !belongs_to("acme", "acme#x") && !belongs_to("acme", "acme-2#1"));
    Ok(())
}

#[tokio::test]
async fn a_table_may_have_other_keys() -> Result<(), Error> {
    let place = region("us-east-1")?;
    let client = dynamodb_client(&place);
    let keys = [("id", ScalarAttributeType::N)];
    fixtures::create_table_with_keys(&client, "numbers", &keys, "by-tenant", "tenant_shard").await?;
    let put = client
        .put_item()
        .table_name("numbers")
        .item("id", AttributeValue::N("7".into()))
        .item("tenant_shard", AttributeValue::S("acme#0".into()));
    put.send().await.map_err(|error| Error::new("put an item", error))?;
    let items = observe::table_items(&client, "numbers").await?;
    assert_eq!(items.len(), 1);
    assert!(items.keys().all(|key| key.contains("id=")), "{items:?}");
    Ok(())
}

#[tokio::test]
async fn objects_are_the_same_in_every_region() -> Result<(), Error> {
    let (one, two) = (region("us-east-1")?, region("eu-west-1")?);
    for place in [&one, &two] {
        fixtures::create_bucket(&s3_client(place), "media").await?;
        fixtures::seed_objects(place, "media", "acme/", 60, 7).await?;
        fixtures::seed_objects(place, "media", "acme-2/", 3, 7).await?;
    }
    let objects = observe::bucket_objects(&s3_client(&one), "media", "acme/").await?;
    assert_eq!(objects.len(), 60);
    assert_eq!(objects, observe::bucket_objects(&s3_client(&two), "media", "acme/").await?);
    assert!(objects.values().any(|object| object.len == 0));
    assert!(objects.values().any(|object| object.len == fixtures::MULTIPART_BYTES as u64));
    for key in ["acme/a//b", "acme/trail/", "acme/dir", "acme/dir/child", "acme/../up", "acme//leading"] {
        assert!(objects.contains_key(key), "{key} is missing");
    }
    Ok(())
}

#[tokio::test]
async fn objects_carry_what_they_were_given() -> Result<(), Error> {
    let place = region("us-east-1")?;
    fixtures::create_bucket(&s3_client(&place), "media").await?;
    fixtures::seed_objects(&place, "media", "acme/", 40, 3).await?;
    let objects = observe::bucket_objects(&s3_client(&place), "media", "acme/").await?;
    for number in 0..39 {
        let seeded = fixtures::object("acme/", number, 3);
        let observed = &objects[&seeded.key];
        assert_eq!(observed.bytes_hash, blake3::hash(&seeded.bytes).to_hex().to_string(), "{}", seeded.key);
        let [kind, cache, disposition, encoding, language] = seeded.headers.map(|header| header.map(str::to_owned));
        assert_eq!(observed.content_type, kind.or(Some("application/octet-stream".into())), "{}", seeded.key);
        let rest = [cache, disposition, encoding, language];
        let found = [
            &observed.cache_control,
            &observed.content_disposition,
            &observed.content_encoding,
            &observed.content_language,
        ];
        assert_eq!(found, rest.each_ref(), "{}", seeded.key);
        assert_eq!(observed.expires.as_deref(), seeded.expires.map(|_| "Tue, 01 Jan 2030 00:00:00 GMT"));
        assert_eq!((&observed.metadata, &observed.tags), (&seeded.metadata, &seeded.tags), "{}", seeded.key);
    }
    Ok(())
}

#[test]
fn the_topology_names_what_runs() -> Result<(), Error> {
    let (one, two) = (region("us-east-1")?, region("eu-west-1")?);
    let yaml = topology(&[&one, &two]);
    let wanted = [
        format!("us-east-1: {{ dynamodb: {{ endpoint: \"{}\" }}", one.dynamodb_endpoint()),
        format!("s3: {{ endpoint: \"{}\" }} }}", two.s3_endpoint()),
        "us: { dataRegions: [us-east-1] }".to_owned(),
        "global: { dataRegions: [us-east-1, eu-west-1] }".to_owned(),
        "shard: activity-global, dataRegions: [us-east-1, eu-west-1]".to_owned(),
        "shard: issues-eu-west-1, dataRegions: [eu-west-1]".to_owned(),
    ];
    for part in wanted {
        assert!(yaml.contains(&part), "{part} is missing in:\n{yaml}");
    }
    Ok(())
}
