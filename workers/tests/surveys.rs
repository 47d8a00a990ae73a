//! What a survey says that writing a tenant's items takes is what it takes, also in an index that holds more of them than their keys.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod common;

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};
use common::*;
use testkit::fault_proxies::throttle::{Counts, Place as At, Settings as Capacity, Throttle};
use testkit::region::dynamodb_client;
use testkit::{Ports, Region, Storage};
use workers::Depth;

const ITEMS: u32 = 40;

fn key(name: &str, kind: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
}

/// A table whose index holds so much of its items.
async fn create(client: &aws_sdk_dynamodb::Client, table: &str, kind: ProjectionType, more: &[&str]) {
    let more = (!more.is_empty()).then(|| more.iter().map(ToString::to_string).collect());
    let holds = Projection::builder().projection_type(kind).set_non_key_attributes(more).build();
    let index = GlobalSecondaryIndex::builder().index_name(INDEX).key_schema(key(INDEX_KEY, KeyType::Hash));
    let mut create = client.create_table().table_name(table).billing_mode(BillingMode::PayPerRequest);
    for name in ["pk", "sk", INDEX_KEY] {
        let string = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        create = create.attribute_definitions(string.build().unwrap());
    }
    create = create.key_schema(key("pk", KeyType::Hash)).key_schema(key("sk", KeyType::Range));
    create.global_secondary_indexes(index.projection(holds).build().unwrap()).send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn units_of_an_index_are_counted_by_what_it_holds() {
    let start = |name| Region::start(name, Storage::Memory, Ports::Any).unwrap();
    let (source, target) = (start("us-east-1"), start("eu-west-1"));
    let front = Throttle::before(&target, Capacity::default()).unwrap();
    let movers = movers();
    for (name, kind, more, units) in [
        ("keys", ProjectionType::KeysOnly, &[][..], 1),
        ("some", ProjectionType::Include, &["text"][..], 3),
        ("all", ProjectionType::All, &[][..], 5),
    ] {
        for region in [&source, &target] {
            create(&dynamodb_client(region), name, kind.clone(), more).await;
        }
        // About 2.5 KiB of text, and as much of something else: an item takes five units.
        for n in 0..ITEMS {
            let more = HashMap::from([("more".to_owned(), AttributeValue::S("m".repeat(2_400)))]);
            let mut item = item(n, "acme#0", &"t".repeat(2_500));
            item.extend(more);
            put(&dynamodb_client(&source), name, item).await;
        }
        let (from, to) = (table(&source, name, 1), table_at("eu-west-1", front.endpoint(), name, 1));
        let size = movers.survey(&from, "acme", Depth::Sampled).await.unwrap().size;
        let expected = (u64::from(ITEMS), u64::from(ITEMS) * 5, u64::from(ITEMS) * units);
        assert_eq!((size.items, size.write_units, size.index_units), expected, "{name}");

        // What the store counts, which knows nothing of the survey.
        copy_all(&movers, &from, &to, "acme").await;
        let of = |index: bool| {
            let totals = front.totals().into_iter();
            let here = totals.filter(|(at, _)| &*at.table == name && matches!(at.place, At::Index { .. }) == index);
            let here = here.filter(|(at, _)| at.place != At::Table).map(|(_, counts)| counts);
            let mut sum = Counts::default();
            here.for_each(|counts| sum += counts);
            sum.write_units
        };
        assert_eq!((of(false), of(true)), (size.write_units as f64, size.index_units as f64), "{name}");
    }
}
