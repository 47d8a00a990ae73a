//! Counts everything that the catalogue counts by itself once more, row by row.

use std::collections::BTreeMap;

use store::{Store, Tx, sql};

/// What is counted: the table, and the row in it.
pub type Counts = BTreeMap<(&'static str, String), i64>;

/// The counts as they are kept, and as they come out of the rows themselves. Zeros are left out.
pub async fn kept_and_recounted(store: &Store) -> (Counts, Counts) {
    let mut tx = store.read().await.expect("a read begins");
    let both = (kept(&mut tx).await, recounted(&mut tx).await);
    tx.rollback().await.expect("a read ends");
    both
}

async fn kept(tx: &mut Tx) -> Counts {
    let kept = "SELECT 'realm' AS what, realm AS name, tenants AS counted FROM realm_sizes \
                UNION ALL SELECT 'shard', service || ' ' || shard, tenants FROM shard_sizes \
                UNION ALL SELECT 'site', service || ' ' || site, entries FROM site_sizes";
    let rows = sql(kept).fetch_all(tx).await.expect("the counts can be read");
    let row = |row: &store::Row| {
        let what = ["realm", "shard", "site"].into_iter().find(|what| row.text("what").is_ok_and(|is| is == *what));
        ((what.expect("one of them"), row.text("name").expect("a name")), row.int("counted").expect("a number"))
    };
    rows.iter().map(row).filter(|(_, counted)| *counted != 0).collect()
}

async fn recounted(tx: &mut Tx) -> Counts {
    let mut counts = Counts::new();
    let mut count = |what, name| *counts.entry((what, name)).or_default() += 1;
    for row in sql("SELECT realm FROM tenants WHERE status <> 'gone'").fetch_all(tx).await.expect("tenants") {
        count("realm", row.text("realm").expect("a realm"));
    }
    for row in sql("SELECT service, shard FROM placements").fetch_all(tx).await.expect("placements") {
        let text = |column| row.text(column).expect("a name");
        count("shard", format!("{} {}", text("service"), text("shard")));
    }
    let ledger_entries = sql("SELECT tenant, service, location FROM ledger WHERE state <> 'absent'");
    for row in ledger_entries.fetch_all(tx).await.expect("entries") {
        let text = |column| row.text(column).expect("a name");
        count("site", format!("{} {}", text("service"), site(&text("location"), &text("tenant"))));
    }
    counts
}

/// The location for any tenant, as the documentation of `site_sizes` has it.
fn site(key: &str, tenant: &str) -> String {
    let parts: Vec<&str> = key.splitn(4, '|').collect();
    let ["s3", endpoint, bucket, prefix] = parts[..] else { return key.to_owned() };
    let is_tenant = |segment: &&str| *segment == tenant;
    // In an endpoint only what lies between two slashes can be taken for a segment.
    let inner = endpoint.split('/').skip(1);
    let inner = inner.clone().take(inner.count().saturating_sub(1));
    if prefix.split('/').filter(is_tenant).count() + inner.filter(is_tenant).count() != 1 {
        return key.to_owned();
    }
    let segments: Vec<&str> =
        prefix.split('/').map(|segment| if segment == tenant { "{tenant}" } else { segment }).collect();
    format!("s3|{endpoint}|{bucket}|{}", segments.join("/"))
}
