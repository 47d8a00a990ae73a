//! Limits on units a second in the file.

use super::super::UnitLimits;
use super::{EXAMPLE, assert_problems, parse, problems};

#[test]
fn limits_on_units_are_of_each_table_and_of_everything() {
    let limited = EXAMPLE.replace("shardCount: 10", "shardCount: 10, limits: { writeUnits: 2500 }");
    let limited = format!("{limited}limits: {{ writeUnits: 10000000, readUnits: 1 }}\n");
    let topology = parse(&limited);
    assert_eq!(topology.limits, UnitLimits { write_units: Some(10_000_000), read_units: Some(1) });
    let tables: Vec<_> = topology.limits_of_tables().into_iter().map(|(at, of)| (at.key(), of.write_units)).collect();
    let limited_tables: Vec<_> = tables.iter().filter(|(_, units)| units.is_some()).collect();
    let key = |at: &str| format!("dynamodb|{at}|issues");
    assert_eq!(limited_tables, [&(key("127.0.0.1:8001"), Some(2_500)), &(key("aws:eu-west-1"), Some(2_500))]);
    assert_eq!(tables.len(), 6, "those without are told too: {tables:?}");
    let json = serde_json::to_string(&topology).expect("serialises");
    assert_eq!(parse(&json), topology);
    assert_ne!(topology.version_hash(), parse(EXAMPLE).version_hash());
    let nothing = EXAMPLE.replace("shardCount: 10", "shardCount: 10, limits: {}");
    assert_eq!(parse(&nothing).version_hash(), parse(EXAMPLE).version_hash());
}

#[test]
fn wrong_limits_on_units_are_told_with_their_line() {
    let wrong = EXAMPLE.replace("shardCount: 10", "shardCount: 10, limits: { writeUnits: 0, readunits: 5 }");
    let wrong = wrong.replace("prefix: \"{tenant}/\"", "prefix: \"{tenant}/\", limits: { writeUnits: 5 }");
    let wrong = format!("{wrong}limits: {{ writeUnits: 10000001, readUnits: much }}\n");
    assert_problems(
        &problems(&wrong),
        "\
line 10: services.issue-service.store.dynamodb.limits.readunits: unknown field; did you mean readUnits?
line 10: services.issue-service.store.dynamodb.limits.writeUnits: must be 1 to 10000000 units a second
line 15: services.media-service.store.s3.limits: unknown field; known: bucket, prefix
line 32: limits.readUnits: must be a whole number, not text
line 32: limits.writeUnits: must be 1 to 10000000 units a second",
    );
    assert!(problems(&format!("{EXAMPLE}limits: 5\n")).contains("limits: must be a map, not a number"));
}
