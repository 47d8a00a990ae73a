//! The form of the file: what parses, and every mistake of form with its line.

use proptest::prelude::*;

use super::super::{Consistency, Lines, Problem, Replication, StoreSpec, Topology};
use super::{EXAMPLE, assert_problems, parse, problems, shown, with_services};

#[test]
fn the_example_parses() {
    let topology = parse(EXAMPLE);
    assert_eq!(topology.regions.len(), 2);
    assert_eq!(topology.realms["eu"].countries, ["DE", "FR", "IE"]);
    assert_eq!(topology.realms["global"].data_regions, ["us-east-1", "eu-west-1"]);
    let issues = &topology.services["issue-service"];
    assert!(matches!(&issues.store, StoreSpec::Dynamodb { table, shard_count: 10, .. } if table == "issues"));
    assert_eq!(issues.shards[1].url.as_deref(), Some("https://issues.eu-west-1.example"));
    assert_eq!(issues.replication, Replication::None);
    let activity = &topology.services["activity-service"];
    assert_eq!((activity.replication, activity.consistency), (Replication::Application, Some(Consistency::Sync)));
    assert!(!activity.replicates_async());
    assert!(!activity.optional);
}

#[test]
fn json_round_trips_and_is_taken_as_a_file_too() {
    let topology = parse(EXAMPLE);
    let json = serde_json::to_string(&topology).expect("serialises");
    assert_eq!(serde_json::from_str::<Topology>(&json).expect("reads back"), topology);
    assert_eq!(parse(&json), topology);
    assert!(topology.validate().is_empty());
}

#[test]
fn the_version_is_of_the_meaning_and_not_of_the_text() {
    let topology = parse(EXAMPLE);
    let mut lines: Vec<&str> = EXAMPLE.lines().collect();
    lines.swap(1, 2);
    let reordered = parse(&format!("# a comment\n{}\n", lines.join("\n")));
    assert_eq!(reordered.version_hash(), topology.version_hash());
    assert_eq!(topology.version_hash().len(), 64);
    let grown = parse(&EXAMPLE.replace("shardCount: 4", "shardCount: 5"));
    assert_ne!(grown.version_hash(), topology.version_hash());
    let other_primary = parse(&EXAMPLE.replace(
        "activity-global,    dataRegions: [us-east-1, eu-west-1]",
        "activity-global,    dataRegions: [eu-west-1, us-east-1]",
    ));
    assert_ne!(other_primary.version_hash(), topology.version_hash());
}

#[test]
fn the_version_hash_of_the_example_never_changes() {
    // Plans in flight and stored topologies are compared by it across releases.
    let (without_hooks, _) = EXAMPLE.split_once("  editor-service:").expect("it is in the example");
    let mut known = include_str!("version_hash.txt").lines();
    assert_eq!(Some(parse(without_hooks).version_hash().as_str()), known.next());
    assert_eq!(Some(parse(EXAMPLE).version_hash().as_str()), known.next());
}

#[test]
fn a_statement_about_keys_is_expanded_and_needs_a_delimiter() {
    let stating = |prefix: &str| EXAMPLE.replace("shardCount: 10", &format!("shardCount: 10, keyPrefix: \"{prefix}\""));
    let topology = parse(&stating("T#{tenant}#"));
    assert!(topology.validate().is_empty());
    let prefix = |shard: &str| topology.key_prefix("issue-service", shard, "acme");
    assert_eq!(prefix("issues-eu-west-1").as_deref(), Some("T#acme#"));
    assert_eq!(topology.key_prefix("activity-service", "activity-global", "acme"), None);
    assert_eq!(topology.key_prefix("media-service", "media-eu-west-1", "acme"), None);
    assert_ne!(topology.version_hash(), parse(EXAMPLE).version_hash());
    for (wrong, why) in [
        ("acme#", "must contain {tenant}"),
        ("{tenant}", "must have a delimiter"),
        ("{tenant}-", "must have a delimiter"),
        ("{tenant}x#", "must have a delimiter"),
        ("{tenant}0#", "must have a delimiter"),
    ] {
        let listing = problems(&stating(wrong));
        let at = "line 10: services.issue-service.store.dynamodb.keyPrefix";
        assert!(listing.contains(at) && listing.contains(why), "{wrong}: {listing}");
    }
}

#[test]
fn a_very_broken_file_gets_every_mistake_at_once() {
    assert_problems(&problems(include_str!("broken.yaml")), include_str!("broken.txt").trim_end());
}

#[test]
fn text_that_is_not_yaml_names_the_line() {
    let found = Topology::parse("regions:\n  a: [1, 2\nrealms: {}\n").expect_err("not YAML");
    assert_eq!(found.len(), 1);
    assert!(found[0].line.is_some_and(|line| line >= 2), "{found:?}");
    assert!(found[0].reason.starts_with("this is not YAML: "), "{found:?}");
    for (text, said) in [
        ("? [a, b]\n: x\n", "a key of a map is a list or a map, and must be text"),
        ("null: x\n", "a key of a map is null, and must be text: put it in quotes"),
        ("a: &x [*x]\n", "an alias (`*name`) stands inside of what it stands for"),
    ] {
        assert_problems(&problems(text), &format!("line 1: this is not YAML: {said}"));
    }
    assert!(problems(&format!("a: {}1{}", "[".repeat(500), "]".repeat(500))).contains("not YAML"));
    assert!(problems(&"#".repeat((4 << 20) + 1)).contains("longer than"));
}

#[test]
fn an_empty_file_is_told_what_it_lacks() {
    assert_problems(&problems(""), "realms: is missing\nregions: is missing");
    assert_problems(&problems("- a\n"), "line 1: must be a map, not a list");
}

#[test]
fn unknown_fields_name_the_nearest_known_one() {
    let listing = with_services(
        "  a:
    store: { s3: { bucket: aaa, prefix: \"{tenant}/\", Bucket: b } }
    colour: red
    shards:
      - { shard: a-1, data_regions: [us-east-1], dataRegions: [us-east-1] }
",
    );
    assert_problems(
        &listing,
        "line 10: services.a.store.s3.Bucket: unknown field; did you mean bucket?
line 11: services.a.colour: unknown field; known: store, replication, consistency, optional, shards
line 13: services.a.shards[0].data_regions: unknown field; did you mean dataRegions?",
    );
}

#[test]
fn repeated_keys_are_errors_at_the_second_one() {
    let yaml = "regions:\n  a: {}\n  a: {}\nrealms:\n  r: { dataRegions: [a], dataRegions: [a] }\nregions: {}\n";
    assert_problems(
        &problems(yaml),
        "line 3: regions.a: is here twice\nline 5: realms.r.dataRegions: is here twice\nline 6: regions: is here twice",
    );
}

#[test]
fn values_of_the_wrong_kind_are_named_once_and_have_no_consequences() {
    let listing = with_services(
        "  a:
    store: [s3]
    shards: none
  b:
    store: { dynamodb: { table: 12, index: [x], indexKey: k, shardCount: many } }
    replication: both
    consistency: true
    optional: perhaps
    shards:
      - { shard: 1, dataRegions: us-east-1, url: {} }
      - { shard: b-2, dataRegions: [[us-east-1]], store: { s3: {}, dynamodb: {} } }
  c: text
",
    );
    assert_problems(
        &listing,
        "line 10: services.a.store: must be a map, not a list
line 11: services.a.shards: must be a list, not text
line 13: services.b.store.dynamodb.index: must be text, not a list
line 13: services.b.store.dynamodb.shardCount: must be a whole number, not text
line 13: services.b.store.dynamodb.table: must be text, not a number: put it in quotes
line 14: services.b.replication: `both` is not known here; known: none, application, native
line 15: services.b.consistency: must be text, not true or false: put it in quotes
line 16: services.b.optional: must be true or false, not text
line 18: services.b.shards[0].dataRegions: must be a list, not text
line 18: services.b.shards[0].shard: must be text, not a number: put it in quotes
line 18: services.b.shards[0].url: must be text, not a map
line 19: services.b.shards[1].dataRegions[0]: must be text, not a list
line 19: services.b.shards[1].store: has both dynamodb and s3: a store is of one kind
line 20: services.c: must be a map, not text",
    );
}

#[test]
fn missing_fields_are_named() {
    let listing = with_services(
        "  a: {}
  b:
    store: {}
    shards: [ {} ]
  c:
    store: { dynamodb: {} }
    shards: [ { shard: c, dataRegions: [us-east-1] } ]
  d:
    store: { s3: }
    shards: [ { shard: d, dataRegions: [us-east-1] } ]
",
    );
    assert_problems(
        &listing,
        "line 9: services.a.shards: is missing
line 9: services.a.store: is missing
line 11: services.b.store: must name one kind of store: dynamodb, s3, hooks
line 12: services.b.shards[0].dataRegions: is missing
line 12: services.b.shards[0].shard: is missing
line 14: services.c.store.dynamodb.index: is missing
line 14: services.c.store.dynamodb.indexKey: is missing
line 14: services.c.store.dynamodb.shardCount: is missing
line 14: services.c.store.dynamodb.table: is missing
line 17: services.d.store: must name one kind of store: dynamodb, s3, hooks",
    );
}

#[test]
fn norway_is_a_country_and_metadata_keeps_its_kinds() {
    let yaml = "regions: { r: }
realms: { n: { dataRegions: [r], countries: [NO] } }
services:
  s:
    store: { s3: { bucket: sss, prefix: \"{tenant}/\" } }
    shards: [ { shard: s, dataRegions: [r], metadata: { tier: gold, weight: 3, on: true, deep: { a: [1.5, null] } } } ]
";
    let topology = parse(yaml);
    assert_eq!(topology.realms["n"].countries, ["NO"]);
    let metadata = serde_json::to_value(&topology.services["s"].shards[0].metadata).expect("JSON");
    assert_eq!(metadata, serde_json::json!({ "tier": "gold", "weight": 3, "on": true, "deep": { "a": [1.5, null] } }));
}

#[test]
fn anchors_and_aliases_work() {
    let yaml = EXAMPLE.replace("[us-east-1], url: \"https://issues.us", "&us [us-east-1], url: \"https://issues.us");
    let yaml = yaml.replace("media-us-east-1, dataRegions: [us-east-1]", "media-us-east-1, dataRegions: *us");
    assert_eq!(parse(&yaml), parse(EXAMPLE));
}

#[test]
fn aliases_of_aliases_stand_for_so_much_and_no_more() {
    let lists = |width: usize, depth: usize| {
        let alias = |level: usize| vec![format!("*l{level}"); width].join(", ");
        let level = |level: usize| format!("        l{level}: &l{level} [{}]\n", alias(level - 1));
        let first = format!("        l0: &l0 [{}]\n", vec!["x"; width].join(", "));
        (1..=depth).map(level).fold(first, |all, line| all + &line)
    };
    let with = |metadata: &str| {
        let shard = format!(
            "\n      - shard: issues-us-east-1\n        dataRegions: [us-east-1]\n        metadata:\n{metadata}"
        );
        EXAMPLE.replacen("    shards:\n", &format!("    shards:{}", shard.replace("        l", "          l")), 1)
    };
    let allowed = with(&lists(9, 3)).replace("shard: issues-us-east-1\n", "shard: other\n");
    assert!(parse(&allowed).services["issue-service"].shards[0].metadata.contains_key("l3"));
    let bomb = with(&lists(9, 9));
    assert!(bomb.len() < EXAMPLE.len() + 1_000, "it is short");
    let said = problems(&bomb);
    assert!(
        said.contains("this is not YAML: its aliases (`*name`) stand for more values than a topology may have"),
        "{said}"
    );
}

#[test]
fn problems_are_json_for_the_api() {
    let problem = Problem { line: Some(3), path: "realms.us".to_owned(), reason: "is here twice".to_owned() };
    let json = serde_json::to_value(&problem).expect("JSON");
    assert_eq!(json, serde_json::json!({ "line": 3, "path": "realms.us", "reason": "is here twice" }));
}

#[test]
fn lines_fall_back_to_the_nearest_part_of_the_file() {
    let (_, lines) = Topology::parse_with_lines(EXAMPLE).expect("valid");
    let about = |path: &str| Problem { line: None, path: path.to_owned(), reason: "x".to_owned() };
    let located = lines.locate(vec![about("realms.gone"), about("services.media-service.shards[1].store.s3")]);
    assert_eq!(shown(&located), "line 4: realms.gone: x\nline 18: services.media-service.shards[1].store.s3: x\n");
    assert_eq!(Lines::default().locate(vec![about("realms")])[0].line, None);
}

proptest! {
    #[test]
    fn no_damage_to_a_file_makes_the_reader_panic_or_keep_silent_about_the_reason(
        cut in 0..EXAMPLE.len(), length in 0..40_usize, put in "[\\[\\]{}:,&*!|>\"'#%@` a-z0-9\n-]{0,8}",
    ) {
        let mut yaml: Vec<char> = EXAMPLE.chars().collect();
        let end = (cut + length).min(yaml.len());
        yaml.splice(cut..end, put.chars());
        let yaml: String = yaml.into_iter().collect();
        if let Err(problems) = Topology::parse(&yaml) {
            prop_assert!(!problems.is_empty());
            prop_assert!(problems.iter().all(|problem| !problem.reason.is_empty()), "{}", shown(&problems));
            prop_assert!(problems.iter().all(|problem| problem.line != Some(0)), "{}", shown(&problems));
        }
    }
}

#[test]
fn what_another_program_would_have_put_there_is_refused() {
    for (from, to) in [("us-east-1", "!Ref Primary"), ("eu-west-1", "!!mine:thing eu-west-1")] {
        let yaml =
            format!("regions: {{ us-east-1: {{}}, eu-west-1: {{}} }}\nrealms:\n  us: {{ dataRegions: [{from}] }}\n");
        assert_problems(&problems(&yaml), "");
        let tagged = yaml.replace(&format!("[{from}]"), &format!("[{to}]"));
        let found = Topology::parse(&tagged).expect_err("refused");
        assert_eq!(found[0].line, Some(3), "{found:?}");
        assert!(found[0].reason.contains("tag"), "{found:?}");
    }
}
