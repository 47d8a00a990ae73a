//! A world for drivers that strike at any step of any kind of workflow: it begins runs of a kind, tells what each came to, heals
//! what waits for a person, and says whether everything is as it must be.

use std::collections::BTreeSet;
use std::sync::Arc;

use catalogue::ledger::{self, EntryState};
use catalogue::tenants::{self, TenantStatus};
use engine::WorkflowRecord;
use engine::failpoints::{Failpoints, NoFailpoints};
use store::{ManualClock, Tx};
use testkit::hook_service::Pages;
use testkit::{HookService, RequestAge};
use workflows::actor::Actor;
use workflows::campaign::{Allowance, CampaignOptions, CampaignRequest, Tenants, create_campaign, resume_campaign};
use workflows::provision::{NewTenant, create_tenant};
use workflows::removal::{Accepted, ReplayOutcome, replay_removal};

use crate::clocked::Clocked;
use crate::counts::kept_and_recounted;
use crate::kinds::{AT_REST, Begin, KINDS};
use crate::world::{Holdings, NEIGHBOUR, Seed, TENANT};
use crate::{Database, World};

/// A tenant without data, which only campaigns move.
pub const SECOND: &str = "zeta";

/// What became of one workflow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ran {
    /// Its kind.
    pub kind: String,
    /// The states it went through, the first and the last included; one that was entered again at once counts once.
    pub path: Vec<String>,
    /// Its id.
    pub id: String,
}

impl Ran {
    /// The state it has come to rest in.
    pub fn end(&self) -> &str {
        self.path.last().map_or("", String::as_str)
    }
}

/// What two runs have in common that did the same: all but the ids.
pub fn outline(ran: &[Ran]) -> Vec<(&str, &[String])> {
    let mut outline: Vec<_> = ran.iter().map(|one| (one.kind.as_str(), one.path.as_slice())).collect();
    outline.sort_unstable();
    outline
}

/// A world, what its tenants held in the beginning, and the workflows of earlier runs.
pub struct Stage {
    /// The world.
    pub world: World,
    /// A service that takes part by hooks.
    pub service: HookService,
    /// The tenant's data.
    pub data: Holdings,
    /// The tenant's data in that service.
    pub pages: Pages,
    neighbour: (Holdings, Holdings),
    earlier: BTreeSet<String>,
    /// Tenants created by runs.
    created: u32,
}

/// The service in the topology.
fn hooked(service: &HookService) -> String {
    service.in_topology("editor-service", &["us-east-1", "eu-west-1"])
}

impl Stage {
    /// On the clock of this machine.
    pub async fn new(database: Database) -> Self {
        let service = HookService::start(RequestAge::AWS.dynamodb).expect("the service starts");
        let world = World::with_topology(database, Seed::SMALL, |yaml| yaml + &hooked(&service)).await;
        Self::on(world, service).await
    }

    /// On a clock that the test moves.
    pub async fn on_manual_clock(database: Database) -> (Self, Arc<ManualClock>) {
        let service = HookService::start(RequestAge::ANY.s3).expect("the service starts");
        let Clocked { world, clock } = Clocked::with_topology(database, |yaml| yaml + &hooked(&service)).await;
        (Self::on(world, service).await, clock)
    }

    async fn on(world: World, service: HookService) -> Self {
        world.somebody_is_there().await;
        create(&world, SECOND).await;
        world.finish_creating().await;
        service.fill("us-east-1", TENANT, 12);
        service.fill("eu-west-1", NEIGHBOUR, 3);
        service.work_by(7);
        let pages = service.pages("us-east-1", TENANT);
        let data = world.holdings("us-east-1", TENANT).await;
        let neighbour = world.neighbour().await;
        Self { world, service, data, pages, neighbour, earlier: BTreeSet::new(), created: 0 }
    }

    /// Stores what makes a workflow run. The tenant goes to the realm in which it is not.
    pub async fn begin(&mut self, begin: Begin) {
        self.earlier = self.workflows().await.into_iter().map(|record| record.id).collect();
        let to = if self.world.tenant().await.realm == "us" { "eu" } else { "us" };
        match begin {
            Begin::Move => drop(self.world.start_move(to).await),
            Begin::Create => {
                self.created += 1;
                create(&self.world, &format!("new-{}", self.created)).await;
            }
            Begin::Campaign => {
                let options = CampaignOptions {
                    wave_size: 1,
                    wave_pause_ms: 50,
                    at_once: 1,
                    max_failures: Allowance::Count(1),
                    window: None,
                    budget_ms: None,
                    priority: engine::Priority::default(),
                };
                let tenants = Tenants::Listed([TENANT, SECOND].map(str::to_owned).into());
                let request = CampaignRequest { to: to.to_owned(), tenants, options, idempotency_key: None };
                create_campaign(&self.world.deployment, &request, &by()).await.expect("the campaign is created");
            }
        }
    }

    /// Begins a run, and runs it with `failpoints` until everything is at rest.
    pub async fn run(&mut self, begin: Begin, failpoints: impl Failpoints) -> Vec<Ran> {
        self.begin(begin).await;
        self.world.run_until(failpoints, || self.is_at_rest()).await;
        self.ran().await
    }

    /// Whether nothing happens any more unless a person asks for it.
    pub async fn is_at_rest(&self) -> bool {
        self.workflows().await.iter().all(|record| AT_REST.contains(&record.state.as_str()))
    }

    /// What became of the workflows that were not there before [`Self::begin`].
    pub async fn ran(&self) -> Vec<Ran> {
        let mut ran = Vec::new();
        for record in self.workflows().await.into_iter().filter(|record| !self.earlier.contains(&record.id)) {
            let history = self.world.history(&record.id).await;
            let first = history.first().map_or(&record.state, |(from, _, _)| from).clone();
            let mut path: Vec<String> =
                std::iter::once(first).chain(history.into_iter().map(|(_, to, _)| to)).collect();
            path.dedup();
            ran.push(Ran { kind: record.kind, path, id: record.id });
        }
        ran
    }

    /// All workflows of all kinds, of this run and of earlier ones.
    pub async fn workflows(&self) -> Vec<WorkflowRecord> {
        let mut tx = self.world.deployment.store.read().await.expect("a read begins");
        let mut all = Vec::new();
        for kind in KINDS {
            let listed = engine::tables::workflow_table::list(&mut tx, kind.name, None, None, None, 10_000).await;
            all.extend(listed.expect("workflows can be listed"));
        }
        tx.rollback().await.expect("a read ends");
        all
    }

    /// Does what a person on call would do, and runs until everything is at rest.
    pub async fn heal(&self) {
        let deployment = &self.world.deployment;
        for record in self.workflows().await {
            match (record.kind.as_str(), record.state.as_str()) {
                ("removal", "failed") => {
                    let outcome =
                        replay_removal(deployment, &record.id, Accepted::NOTHING, &by()).await.expect("it is replayed");
                    assert_eq!(outcome, ReplayOutcome::Replayed);
                }
                ("campaign", "halted") => resume_campaign(deployment, &record.id, &by()).await.expect("it is resumed"),
                _ => {}
            }
        }
        self.world.run_until(NoFailpoints, || self.is_at_rest()).await;
    }

    /// The tenant is online, all its data is where the catalogue places it and nowhere else, the ledger says so, no task is left,
    /// its neighbour is as it was, and all is counted.
    pub async fn is_sound(&self, what: &str) {
        let tenant = self.world.tenant().await;
        assert_eq!(
            (tenant.status, tenant.active_move, tenant.lease_until),
            (TenantStatus::Online, None, None),
            "{what}"
        );
        let (home, away) = if tenant.realm == "us" { ("us-east-1", "eu-west-1") } else { ("eu-west-1", "us-east-1") };
        assert_eq!(self.world.holdings(home, TENANT).await, self.data, "{what}: in {home}");
        assert!(self.world.holdings(away, TENANT).await.is_empty(), "{what}: {away} is emptied");
        for ((service, region), state) in self.world.entries().await {
            let expected = if region == home { EntryState::Live } else { EntryState::Absent };
            assert_eq!(state, expected, "{what}: {service} in {region}");
        }
        assert_eq!(self.service.pages(home, TENANT), self.pages, "{what}: pages in {home}");
        assert!(self.service.pages(away, TENANT).is_empty(), "{what}: pages in {away}");
        assert_eq!(self.service.pages("eu-west-1", NEIGHBOUR).len(), 3, "{what}: the neighbour's pages");
        let workflows = self.workflows().await;
        let mut tx = self.world.deployment.store.read().await.expect("a read begins");
        for record in workflows {
            let left = engine::tables::task_table::of_workflow(&mut tx, &record.id).await.expect("tasks can be listed");
            assert!(left.is_empty(), "{what}: {left:?}");
        }
        for number in 1..=self.created {
            is_created_or_gone(&mut tx, &format!("new-{number}"), what).await;
        }
        let second = tenants::get(&mut tx, SECOND).await.expect("readable").expect("exists");
        tx.rollback().await.expect("a read ends");
        assert_eq!((second.status, second.active_move), (TenantStatus::Online, None), "{what}");
        assert_eq!(self.world.neighbour().await, self.neighbour, "{what}");
        let (kept, recounted) = kept_and_recounted(&self.world.deployment.store).await;
        assert_eq!(kept, recounted, "{what}: what is counted");
    }
}

async fn create(world: &World, id: &str) {
    let new = NewTenant {
        id: id.parse().expect("a tenant id"),
        host: format!("{id}.example").parse().expect("a host"),
        realm: "us".to_owned(),
    };
    create_tenant(&world.deployment, &new, &by()).await.expect("the tenant is created");
}

fn by() -> Actor {
    Actor::new("test", "to test")
}

/// Online with every entry live, or gone with every entry absent.
async fn is_created_or_gone(tx: &mut Tx, id: &str, what: &str) {
    let tenant = tenants::get(tx, id).await.expect("readable").expect("its id is kept");
    let expected = match tenant.status {
        TenantStatus::Online => EntryState::Live,
        TenantStatus::Gone => EntryState::Absent,
        other => panic!("{what}: {id} is {}", other.as_str()),
    };
    assert_eq!(tenant.host.is_some(), expected == EntryState::Live, "{what}: the host of {id}");
    for entry in ledger::of_tenant(tx, id).await.expect("readable") {
        assert_eq!(entry.state, expected, "{what}: {} of {id}", entry.service);
    }
}
