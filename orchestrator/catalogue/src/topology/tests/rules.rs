//! The rules for names, regions, realms, shards and stores, each broken alone.

use super::{BASE, assert_problems, parse, problems, with_services};

const S3: &str = "store: { s3: { bucket: \"a-{region}\", prefix: \"{tenant}/\" } }";

/// One service `a` over S3 with these shards (from line 12 on) and these extra fields (line 11).
fn with_shards(extra: &str, shards: &[&str]) -> String {
    let shards: Vec<String> = shards.iter().map(|shard| format!("      - {{ {shard} }}\n")).collect();
    with_services(&format!("  a:\n    {S3}\n    shards:\n{}{extra}", shards.concat()))
}

/// One service `a` with this store on line 10 and a shard in the United States.
fn with_store(store: &str) -> String {
    with_services(&format!(
        "  a:\n    store: {{ {store} }}\n    shards: [ {{ shard: a-1, dataRegions: [us-east-1] }} ]\n"
    ))
}

#[test]
fn names_follow_one_rule() {
    let long = "a".repeat(64);
    for bad in ["A", "a_b", "-a", "a.b", &long] {
        let listing = problems(&format!("regions: {{ {bad}: {{}} }}\nrealms: {{ r: {{ dataRegions: [{bad}] }} }}\n"));
        let rule = "must be 1 to 63 characters from a-z, 0-9 and -, not starting with -";
        assert_problems(&listing, &format!("line 1: regions.{bad}: the name `{bad}` {rule}"));
    }
    let rule = "must be 1 to 63 characters from a-z, 0-9 and -, not starting with -";
    assert_problems(
        &problems("regions: { r: {} }\nrealms:\n  R: { dataRegions: [r] }\n"),
        &format!("line 3: realms.R: the name `R` {rule}"),
    );
    assert_problems(
        &with_services(&format!("  B:\n    {S3}\n    shards: [ {{ shard: B, dataRegions: [us-east-1] }} ]\n")),
        &format!("line 9: services.B: the name `B` {rule}\nline 11: services.B.shards[0].shard: the name `B` {rule}"),
    );
}

#[test]
fn endpoints_are_plain_http_urls() {
    let listing = |endpoint: &str| {
        problems(&format!(
            "regions:\n  r: {{ dynamodb: {{ endpoint: \"{endpoint}\" }} }}\nrealms: {{ r: {{ dataRegions: [r] }} }}\n"
        ))
    };
    let at = "line 2: regions.r.dynamodb.endpoint: ";
    let expected = [
        ("ftp://h", "`ftp://h` must start with http:// or https://"),
        ("localhost:8000", "`localhost:8000` must start with http:// or https://"),
        ("h", "`h` is not a URL: relative URL without a base"),
        ("", "`` is not a URL: relative URL without a base"),
        ("http://", "`http://` is not a URL: empty host"),
        ("http://h:99999", "`http://h:99999` is not a URL: invalid port number"),
        ("http://me:pass@h:99999", "this is not a URL: invalid port number"),
        ("http://me@h", "a URL here must not carry credentials"),
        ("http://me:pass@h", "a URL here must not carry credentials"),
        ("http://h/?q", "`http://h/?q` must not have a query or a fragment"),
        ("http://h/#f", "`http://h/#f` must not have a query or a fragment"),
    ];
    for (endpoint, reason) in expected {
        assert_problems(&listing(endpoint), &format!("{at}{reason}"));
    }
    for good in ["http://127.0.0.1:8001", "https://dynamodb.example/base/", "http://[::1]:8000"] {
        assert_eq!(listing(good), "", "{good}");
    }
    let url = with_shards("", &["shard: a-1, dataRegions: [us-east-1], url: issues"]);
    assert_problems(&url, "line 12: services.a.shards[0].url: `issues` is not a URL: relative URL without a base");
}

#[test]
fn realms_need_known_regions_each_once() {
    let yaml = "regions:
  eu-west-1: {}
realms:
  a: { dataRegions: [] }
  b: { dataRegions: [eu-west-1, eu-west-1] }
  c: { dataRegions: [eu-west-11] }
  d: { dataRegions: [mars] }
";
    assert_problems(
        &problems(yaml),
        "line 4: realms.a.dataRegions: needs at least one region
line 5: realms.b.dataRegions[1]: `eu-west-1` is here twice
line 6: realms.c.dataRegions[0]: there is no region `eu-west-11`; did you mean eu-west-1?
line 7: realms.d.dataRegions[0]: there is no region `mars`",
    );
}

#[test]
fn countries_and_time_zones_look_like_such() {
    let yaml = "regions: { r: {} }
realms:
  a: { dataRegions: [r], countries: [de, DEU, DE, DE], timezones: [\"Europe/*\", \"*\", \"Eu*/a\", \"\", a b, \"*\"] }
";
    assert_problems(
        &problems(yaml),
        "line 3: realms.a.countries[0]: `de` is not a country: two capital letters (ISO 3166-1)
line 3: realms.a.countries[1]: `DEU` is not a country: two capital letters (ISO 3166-1)
line 3: realms.a.countries[3]: `DE` is here twice
line 3: realms.a.timezones[2]: `Eu*/a` is not a time zone such as Europe/Dublin or Europe/*
line 3: realms.a.timezones[3]: `` is not a time zone such as Europe/Dublin or Europe/*
line 3: realms.a.timezones[4]: `a b` is not a time zone such as Europe/Dublin or Europe/*
line 3: realms.a.timezones[5]: `*` is here twice",
    );
}

#[test]
fn shards_need_known_regions_each_once_and_a_realm() {
    let listing = with_shards(
        "    replication: native\n",
        &[
            "shard: a-1, dataRegions: []",
            "shard: a-2, dataRegions: [us-east-1, us-east-1]",
            "shard: a-3, dataRegions: [us-east-1, mars]",
            "shard: a-3, dataRegions: [us-east-1]",
        ],
    );
    assert_problems(
        &listing,
        "line 12: services.a.shards[0].dataRegions: needs at least one region
line 13: services.a.shards[1].dataRegions[1]: `us-east-1` is here twice
line 14: services.a.shards[2].dataRegions[1]: there is no region `mars`
line 15: services.a.shards[3]: the service has another shard called a-3",
    );
    let yaml = BASE.replace("  global: { dataRegions: [us-east-1, eu-west-1] }\n", "")
        + &format!(
            "  a:\n    {S3}\n    replication: native\n    shards: [ {{ shard: a, dataRegions: [us-east-1, eu-west-1] }} ]\n"
        );
    assert_problems(
        &problems(&yaml),
        "line 11: services.a.shards[0]: shard a fits no realm: none has all of [us-east-1, eu-west-1]",
    );
    assert_problems(
        &with_services(&format!("  a:\n    {S3}\n    shards: []\n")),
        "line 11: services.a.shards: a service needs at least one shard",
    );
}

#[test]
fn two_services_may_use_one_shard_name() {
    let second = S3.replace("a-{region}", "b-{region}");
    let shards = "shards: [ { shard: one, dataRegions: [us-east-1] } ]";
    assert_eq!(with_services(&format!("  a:\n    {S3}\n    {shards}\n  b:\n    {second}\n    {shards}\n")), "");
}

#[test]
fn several_regions_need_replication() {
    let shard = ["shard: a-1, dataRegions: [us-east-1, eu-west-1]"];
    assert_problems(
        &with_shards("", &shard),
        "line 12: services.a.shards[0]: shard a-1 has several regions: the service must state replication: application \
         or native",
    );
    assert_eq!(with_shards("    replication: native\n", &shard), "");
    let unstated =
        parse(&format!("{BASE}  a:\n    {S3}\n    replication: application\n    shards: [ {{ {} }} ]\n", shard[0]));
    assert!(unstated.services["a"].replicates_async(), "unstated consistency counts as async");
}

#[test]
fn tables_indexes_and_counts_are_what_dynamodb_takes() {
    let store = |table: &str, index: &str, key: &str, count: &str| {
        with_store(&format!(
            "dynamodb: {{ table: \"{table}\", index: \"{index}\", indexKey: \"{key}\", shardCount: {count} }}"
        ))
    };
    assert_eq!(store("A.b-{region}_9", "by.tenant", "tenant_shard", "1000"), "");
    let at = "line 10: services.a.store.dynamodb.";
    let rule = "must be 3 to 255 characters from a-z, A-Z, 0-9, _, - and .";
    assert_problems(&store("ab", "iii", "k", "1"), &format!("{at}table: `ab` {rule}"));
    assert_problems(&store("a b", "iii", "k", "1"), &format!("{at}table: `a b` {rule}"));
    assert_problems(
        &store("a{tenant}", "iii", "k", "1"),
        &format!("{at}table: `{{tenant}}` is not a placeholder here; known: {{region}}"),
    );
    assert_problems(
        &store("a{region", "iii", "k", "1"),
        &format!("{at}table: `a{{region` has a brace without its partner"),
    );
    assert_problems(&store("aaa", "i{region}", "k", "1"), &format!("{at}index: `i{{region}}` {rule}"));
    assert_problems(
        &store("aaa", "iii", "", "1"),
        &format!("{at}indexKey: `` must be an attribute name of 1 to 255 bytes"),
    );
    for count in ["0", "1001", "-1", "99999999999999"] {
        assert_problems(&store("aaa", "iii", "k", count), &format!("{at}shardCount: must be 1 to 1000"));
    }
}

#[test]
fn buckets_are_what_s3_takes() {
    let bucket = |name: &str| with_store(&format!("s3: {{ bucket: \"{name}\", prefix: \"{{tenant}}/\" }}"));
    for good in ["abc", "a.b-c", "media-{region}", "{region}"] {
        assert_eq!(bucket(good), "", "{good}");
    }
    let at = "line 10: services.a.store.s3.bucket: ";
    for bad in ["ab", "Media", "a_b", "-abc", "abc-", ".abc", &"a".repeat(64)] {
        let rule = "must be 3 to 63 characters from a-z, 0-9, - and ., starting and ending with a letter or digit";
        assert_problems(&bucket(bad), &format!("{at}`{bad}` {rule}"));
    }
    for bad in ["a..b", "192.168.5.4"] {
        assert_problems(
            &bucket(bad),
            &format!("{at}`{bad}` must not have two dots in a row or look like an IP address"),
        );
    }
    for (bad, part) in [("xn--abc", "xn--"), ("abc-s3alias", "-s3alias"), ("abc--x-s3", "--x-s3")] {
        assert_problems(&bucket(bad), &format!("{at}`{bad}` uses `{part}`, which AWS reserves"));
    }
    let unknown = bucket("media-{zone}");
    assert_problems(&unknown, &format!("{at}`{{zone}}` is not a placeholder here; known: {{region}}"));
}

#[test]
fn prefixes_hold_the_tenant_as_one_whole_segment() {
    let prefix = |text: &str| with_store(&format!("s3: {{ bucket: abc, prefix: \"{text}\" }}"));
    for good in ["{tenant}/", "a/{tenant}/b/", "x-{region}/{tenant}/"] {
        assert_eq!(prefix(good), "", "{good}");
    }
    let at = "line 10: services.a.store.s3.prefix: ";
    for bad in ["media/", "x-{tenant}/", "{tenant}/{tenant}/", "{tenant}/a{tenant}/", "{tenant}{tenant}/"] {
        assert_problems(&prefix(bad), &format!("{at}`{bad}` must have {{tenant}} as exactly one whole segment"));
    }
    for bad in ["/{tenant}/", "a//{tenant}/", "./{tenant}/", "{tenant}/../", "/"] {
        assert_problems(&prefix(bad), &format!("{at}`{bad}` must not have empty, `.` or `..` segments"));
    }
    for bad in ["{tenant}", "", "a/{tenant}/b"] {
        assert_problems(&prefix(bad), &format!("{at}`{bad}` must end with /"));
    }
    assert_problems(
        &prefix("{tenant}/{shard}/"),
        &format!("{at}`{{shard}}` is not a placeholder here; known: {{region}} and {{tenant}}"),
    );
    for bad in ["{tenant}/}/", "{/{tenant}/"] {
        assert_problems(&prefix(bad), &format!("{at}`{bad}` has a brace without its partner"));
    }
    let long = format!("{}/{{tenant}}/", "a".repeat(505));
    assert_problems(&prefix(&long), &format!("{at}the prefix must be at most 512 bytes, without control characters"));
}

#[test]
fn a_shards_own_store_is_of_the_services_kind() {
    let own = "dynamodb: { table: aaa, index: iii, indexKey: k, shardCount: 1 }";
    let listing = with_shards("", &[&format!("shard: a-1, dataRegions: [us-east-1], store: {{ {own} }}")]);
    assert_problems(
        &listing,
        "line 12: services.a.shards[0].store: is dynamodb where the service's is s3: all stores of a service are of \
         one kind",
    );
    let listing =
        with_shards("", &["shard: a-1, dataRegions: [us-east-1], store: { s3: { bucket: B, prefix: \"{tenant}/\" } }"]);
    assert!(listing.starts_with("line 12: services.a.shards[0].store.s3.bucket: `B` must be"), "{listing}");
}

#[test]
fn hooks_are_called_over_https_or_on_loopback() {
    let url = |url: &str| with_store(&format!("hooks: {{ url: \"{url}\" }}"));
    for good in ["https://editor.example/realm-moves", "http://127.0.0.1:8080/x", "http://localhost/", "http://[::1]:1"]
    {
        assert_eq!(url(good), "", "{good}");
    }
    for plain in
        ["http://editor.example", "http://10.0.0.1:80", "http://127.0.0.1.example/", "http://localhost.example"]
    {
        let listing = url(plain);
        assert!(listing.contains("must start with https://: plain http is for loopback only"), "{plain}: {listing}");
    }
    assert!(url("https://me:secret@editor.example").contains("must not carry credentials"));
    assert!(url("https://editor.example/?a=b").contains("must not have a query"));
    assert_eq!(with_store("hooks: { url: \"https://e.example\", secret: editor, longestSeconds: 60 }"), "");
}

#[test]
fn what_else_hooks_can_say_is_checked() {
    let more = |more: &str| with_store(&format!("hooks: {{ url: \"https://e.example\", {more} }}"));
    let listing = more("secret: \"s3cret!\"");
    assert!(listing.starts_with("line 10: services.a.store.hooks.secret: must be the name of a secret"), "{listing}");
    assert!(!listing.contains("s3cret!"), "somebody may have put the secret itself there");
    assert!(more("longestSeconds: 604801").contains("must be 1 to 604800"));
    assert!(more("longestSeconds: 6h").contains("must be a whole number, not"));
    assert!(more("Url: x").contains("did you mean url?"));
}
