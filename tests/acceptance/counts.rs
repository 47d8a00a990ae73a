//! What the catalogue counts by itself is what counting the rows comes to: after anything, on each database, and from the first moment
//! in a catalogue of an older version.

use std::collections::BTreeSet;

use acceptance::counts::kept_and_recounted;
use acceptance::world::fresh_store;
use acceptance::{Database, World};
use catalogue::ledger::{self, ChangedBy, EntryState};
use catalogue::location::{Address, Location};
use catalogue::tenants::{self, Tenant, TenantStatus};
use catalogue::{placements, topologies};
use engine::failpoints::NoFailpoints;
use store::{Store, StoreError, StoreUrl, Tx, sql};

on_both_databases!(counts_agree_with_the_rows_after_any_changes, any_changes);
on_both_databases!(counts_agree_with_the_rows_when_many_change_them_at_once, at_once);
on_both_databases!(an_older_catalogue_is_counted_when_it_is_opened, older);
on_both_databases!(a_move_there_and_back_is_counted, there_and_back);

/// Random numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("it has 31 bits") % end
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }
}

const REALMS: [&str; 3] = ["us", "eu", "global"];
const SERVICES: [&str; 2] = ["issues", "media"];
const SHARDS: [&str; 3] = ["us-1", "us-2", "eu-1"];
/// `fixed` is also a segment of a prefix.
const TENANTS: [&str; 6] = ["acme", "beta", "fixed", "media", "a", "x"];

fn locations(tenant: &str) -> Vec<Location> {
    let at = |address| Location { name: "x".to_owned(), region: "us-east-1".to_owned(), address, table_id: None };
    let bucket = |endpoint: Option<&str>, bucket: &str, prefix: String| {
        let endpoint = endpoint.map(str::to_owned);
        at(Address::S3 { endpoint, bucket: bucket.to_owned(), prefix })
    };
    let table = |table: &str| {
        at(Address::Dynamodb {
            endpoint: Some("http://db.example/x/y".to_owned()),
            table: table.to_owned(),
            index: "by-tenant".to_owned(),
            index_key: "tenant_shard".to_owned(),
            shard_count: 2,
        })
    };
    vec![
        table("issues"),
        table("acme"),
        bucket(None, "media", format!("{tenant}/")),
        bucket(None, "media", format!("fixed/{tenant}/a/")),
        bucket(None, "media", format!("{tenant}/fixed/")),
        bucket(Some("http://s3.example:9000/x/beta"), "a", format!("media/{tenant}/x/")),
    ]
}

async fn open(database: Database) -> (Store, StoreUrl, tempfile::TempDir) {
    let (url, folder) = fresh_store(database).await;
    let url: StoreUrl = url.parse().expect("a store URL");
    (Store::open(&url).await.expect("the store opens"), url, folder)
}

async fn agree(store: &Store, what: &str) {
    let (kept, recounted) = kept_and_recounted(store).await;
    assert_eq!(kept, recounted, "{what}");
}

fn by() -> ChangedBy {
    ChangedBy {
        entry: engine::Ids::next(&engine::RandomIds),
        who: String::new(),
        why: String::new(),
        origin: String::new(),
        workflow: None,
    }
}

/// One change of anything that is counted, by the catalogue's own statements or by somebody else's.
async fn change(tx: &mut Tx, random: &mut Random, tenants_of: &[&str]) -> Result<(), StoreError> {
    let (tenant, service) = (random.of(tenants_of), random.of(&SERVICES));
    if tenants::get(tx, tenant).await?.is_none() {
        let realm = random.of(&REALMS).to_owned();
        let status = [TenantStatus::Online, TenantStatus::Provisioning, TenantStatus::Gone][random.below(3)];
        let new = Tenant {
            id: tenant.to_owned(),
            host: None,
            created_in: realm.clone(),
            realm,
            status,
            epoch: 1,
            active_move: None,
            lease_until: None,
            created_at: 0,
        };
        return tenants::insert(tx, &new).await;
    }
    let places = locations(tenant);
    let place = &places[random.below(places.len())];
    let key = place.key();
    match random.below(11) {
        0 => tenants::abandon(tx, tenant).await.map(drop),
        1 => {
            let moved = sql("UPDATE tenants SET realm = $2, status = $3 WHERE id = $1").bind(tenant);
            moved.bind(random.of(&REALMS)).bind(random.of(&["online", "moving", "gone"])).execute(tx).await.map(drop)
        }
        2..=4 => placements::put(tx, tenant, service, random.of(&SHARDS)).await,
        5 => placements::remove_all(tx, tenant).await,
        6 | 7 => ledger::begin_adding(tx, tenant, service, place, (None, by())).await.map(drop),
        8 => ledger::become_live(tx, tenant, service, &key, (None, by())).await.map(drop),
        9 => {
            for state in [EntryState::Live, EntryState::Adding] {
                sql("UPDATE ledger SET state = 'removing' WHERE tenant = $1 AND location = $2 AND state = $3")
                    .bind(tenant)
                    .bind(&key)
                    .bind(state.as_str())
                    .execute(tx)
                    .await?;
            }
            ledger::become_absent(tx, tenant, service, &key, (1, by())).await.map(drop)
        }
        _ => {
            // Several rows by one statement.
            sql("DELETE FROM ledger WHERE service = $1").bind(service).execute(tx).await?;
            sql("UPDATE placements SET shard = $2 WHERE service = $1")
                .bind(service)
                .bind(random.of(&SHARDS))
                .execute(tx)
                .await
                .map(drop)
        }
    }
}

async fn any_changes(database: Database) {
    let (store, _, _folder) = open(database).await;
    let mut random = Random(11);
    let mut seen = BTreeSet::new();
    for round in 0..120 {
        let mut tx = store.begin().await.expect("begins");
        for _ in 0..6 {
            change(&mut tx, &mut random, &TENANTS).await.expect("changed");
        }
        // What is rolled back is not counted either.
        if round % 5 == 4 {
            tx.rollback().await.expect("rolled back");
        } else {
            tx.commit().await.expect("committed");
        }
        let (kept, recounted) = kept_and_recounted(&store).await;
        assert_eq!(kept, recounted, "round {round}");
        seen.extend(kept.into_keys());
    }
    let counted = |what| seen.iter().filter(|(of, _)| *of == what).count();
    assert_eq!((counted("realm"), counted("shard")), (REALMS.len(), SERVICES.len() * SHARDS.len()), "{seen:?}");
    let ambiguous = |site: &str| seen.iter().any(|(_, name)| name.ends_with(site));
    assert!(ambiguous("|fixed/{tenant}/a/") && ambiguous("|fixed/fixed/a/"), "{seen:?}");
}

/// Each changes its own tenants, and all change the same counts; whoever has to wait for somebody who waits is told, and tries again.
async fn at_once(database: Database) {
    let (store, _, _folder) = open(database).await;
    let writers = TENANTS.map(|tenant| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut random = Random(tenant.len() as u64);
            for _ in 0..30 {
                let mut tx = store.begin().await.expect("begins");
                // As all who place tenants do.
                topologies::pin(&mut tx).await.expect("pinned");
                for _ in 0..4 {
                    own_change(&mut tx, &mut random, tenant).await.expect("changed");
                }
                tx.commit().await.expect("committed");
            }
        })
    });
    for writer in writers {
        writer.await.expect("no panic");
    }
    agree(&store, "in the end").await;
}

async fn own_change(tx: &mut Tx, random: &mut Random, tenant: &str) -> Result<(), StoreError> {
    loop {
        let before = random.0;
        // Those that change rows of all tenants are left out.
        let mut look = Random(before);
        look.below(1);
        look.below(SERVICES.len());
        look.below(locations(tenant).len());
        if look.below(11) != 10 {
            return change(tx, random, &[tenant]).await;
        }
        random.below(2);
    }
}

/// Takes the counts away, as if they had not been invented.
async fn make_old(store: &Store, database: Database) {
    let mut tx = store.begin().await.expect("begins");
    let mut statements = vec!["DELETE FROM _sqlx_migrations WHERE version = 3"];
    match database {
        Database::Sqlite => statements.extend([
            "DROP TRIGGER tenant_added",
            "DROP TRIGGER tenant_changed",
            "DROP TRIGGER tenant_deleted",
            "DROP TRIGGER placement_added",
            "DROP TRIGGER placement_changed",
            "DROP TRIGGER placement_deleted",
            "DROP TRIGGER entry_added",
            "DROP TRIGGER entry_filled",
            "DROP TRIGGER entry_emptied",
            "DROP TRIGGER entry_deleted",
            "ALTER TABLE ledger DROP COLUMN site",
        ]),
        Database::Postgres => statements.extend([
            "DROP FUNCTION tenants_added, tenants_deleted, tenant_changed, placements_added, placements_deleted, \
             placement_changed, ledger_added, ledger_deleted, entry_changed CASCADE",
            "DROP FUNCTION add_to_realm, add_to_shard, add_to_site, site_of",
        ]),
    }
    statements.extend(["DROP TABLE realm_sizes", "DROP TABLE shard_sizes", "DROP TABLE site_sizes"]);
    for statement in statements {
        sql(statement).execute(&mut tx).await.expect(statement);
    }
    tx.commit().await.expect("committed");
}

async fn older(database: Database) {
    let (store, url, _folder) = open(database).await;
    make_old(&store, database).await;
    let mut random = Random(5);
    let mut tx = store.begin().await.expect("begins");
    for _ in 0..200 {
        change(&mut tx, &mut random, &TENANTS).await.expect("changed");
    }
    tx.commit().await.expect("committed");
    store.close().await;
    let store = Store::open(&url).await.expect("it is brought up to date");
    agree(&store, "at once").await;
    let (kept, _) = kept_and_recounted(&store).await;
    assert!(kept.len() > 8, "something was there: {kept:?}");
    let mut tx = store.begin().await.expect("begins");
    for _ in 0..100 {
        change(&mut tx, &mut random, &TENANTS).await.expect("changed");
    }
    tx.commit().await.expect("committed");
    agree(&store, "and from then on").await;
}

async fn there_and_back(database: Database) {
    let world = World::new(database).await;
    for to in ["eu", "us", "global", "eu"] {
        world.run_move(to, NoFailpoints).await;
        agree(&world.deployment.store, to).await;
    }
}
