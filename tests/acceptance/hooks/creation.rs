//! A tenant is created with services that take part by hooks: online once they are ready, and undone when one refuses.

use acceptance::{Database, World};
use catalogue::ledger::{self, EntryState};
use catalogue::tenants::{Tenant, TenantStatus};
use engine::failpoints::NoFailpoints;
use testkit::hook_service::Fault;
use workflows::actor::Actor;
use workflows::provision::{NewTenant, create_tenant, create_tenant_by_key};
use workflows::refusal::Refusal;

use super::{Hooked, answered};

on_both_databases!(a_tenant_is_online_once_its_services_are_ready, created_when_ready);
on_both_databases!(a_creation_that_a_service_refuses_is_undone_and_can_be_repeated, undone_when_refused);
on_both_databases!(a_creation_that_is_still_being_undone_is_not_repeated, undone_in_part);

async fn created_when_ready(database: Database) {
    let hooked = Hooked::new(database).await;
    let prepared = hooked.service.calls("provision");
    assert_eq!((prepared.len(), prepared[0].region.as_str(), prepared[0].generation), (2, "us-east-1", Some(1)));
    hooked.service.next("provision", Fault::Status(503), 2);
    hooked.service.next("provision", Fault::LoseAnswer, 1);
    let created = create(&hooked.world, "wayne", "wayne.example").await.expect("it is being created");
    assert_eq!((created.status, created.epoch), (TenantStatus::Provisioning, 1));
    assert_eq!(entries_of(&hooked.world, "wayne").await, [EntryState::Adding]);
    hooked.world.finish_creating().await;
    let again = create(&hooked.world, "wayne", "wayne.example").await.expect("the same request finds it");
    assert_eq!((again.status, again.epoch, hooked.service.faults_left()), (TenantStatus::Online, 2, 0));
    assert_eq!(entries_of(&hooked.world, "wayne").await, [EntryState::Live]);
}

async fn undone_when_refused(database: Database) {
    let hooked = Hooked::new(database).await;
    hooked.service.next("provision", Fault::Refuse("no room for more".to_owned()), 1);
    create(&hooked.world, "wayne", "wayne.example").await.expect("it is being created");
    hooked.world.finish_creating().await;
    let emptied = || async { entries_of(&hooked.world, "wayne").await == [EntryState::Absent] };
    hooked.world.run_until(NoFailpoints, emptied).await;
    let removed = hooked.service.calls("remove");
    assert!(answered(&removed, 200) > 0 && removed[0].tenant == "wayne", "{removed:?}");
    assert_eq!(hooked.service.calls("rollback"), [], "there was no move");
    create(&hooked.world, "wayne-2", "wayne.example").await.expect("the host is free");
    hooked.world.finish_creating().await;
    assert_eq!(entries_of(&hooked.world, "wayne-2").await, [EntryState::Live]);
    let keyed = async |host: &str| {
        let by = Actor::realmctl("test");
        create_tenant_by_key(&hooked.world.deployment, &new("wayne", host), Some("key"), &by)
            .await
            .map(|(tenant, _)| tenant)
    };
    hooked.service.next("provision", Fault::Refuse("still no room".to_owned()), 1);
    let again = keyed("wayne-1.example").await.expect("it was never there for anybody");
    assert_eq!((again.status, again.epoch), (TenantStatus::Provisioning, 3), "readers see no epoch twice");
    hooked.world.finish_creating().await;
    hooked.world.run_until(NoFailpoints, emptied).await;
    let again = keyed("wayne-1.example").await.expect("nor does its key stand for what is not there");
    assert_eq!((again.status, again.epoch), (TenantStatus::Provisioning, 5));
    hooked.world.finish_creating().await;
    assert_eq!(keyed("wayne-1.example").await.expect("found").status, TenantStatus::Online);
    assert_eq!(keyed("wayne-3.example").await.expect_err("asks for something else").code(), "idempotency_key_reused");
    assert_eq!(entries_of(&hooked.world, "wayne").await, [EntryState::Live]);
    let other = create(&hooked.world, "wayne", "wayne-3.example").await.expect_err("now it is");
    assert_eq!(other.code(), "tenant_exists");
}

/// What a service had prepared may not be removed yet: its id is not free, and the answer says what to do.
async fn undone_in_part(database: Database) {
    let hooked = Hooked::new(database).await;
    hooked.service.next("provision", Fault::Refuse("no room for more".to_owned()), 1);
    hooked.service.next("remove", Fault::Status(503), 1_000);
    create(&hooked.world, "wayne", "wayne.example").await.expect("it is being created");
    hooked.world.finish_creating().await;
    assert_eq!(entries_of(&hooked.world, "wayne").await, [EntryState::Removing]);
    let again = create(&hooked.world, "wayne", "wayne.example").await.expect_err("it is still being undone");
    let words = again.to_string();
    assert_eq!(again.code(), "creation_being_undone");
    assert!(words.contains("no room for more") && words.contains("realmctl explain"), "{words}");
}

async fn create(world: &World, id: &str, host: &str) -> Result<Tenant, Refusal> {
    create_tenant(&world.deployment, &new(id, host), &Actor::realmctl("test")).await.map(|(tenant, _)| tenant)
}

fn new(id: &str, host: &str) -> NewTenant {
    NewTenant { id: id.parse().expect("a tenant id"), host: host.parse().expect("a host"), realm: "us".to_owned() }
}

async fn entries_of(world: &World, tenant: &str) -> Vec<EntryState> {
    let mut tx = world.deployment.store.read().await.expect("a read begins");
    let entries = ledger::of_tenant(&mut tx, tenant).await.expect("the ledger can be read");
    tx.rollback().await.expect("a read ends");
    entries.into_iter().map(|entry| entry.state).collect()
}
