//! What people do: apply the topology, create tenants, start and cancel moves, hold work back, replay removals. Each deed is a lane of the
//! operators' process, on the same product code as the HTTP API.

use std::sync::Arc;
use std::sync::Mutex;

use engine::Priority;
use store::Clock;
use testkit::simulator::Millis;
use workflows::actor::Actor;
use workflows::controls::{pause_all, pause_tenant, resume_all, resume_tenant};
use workflows::provision::{NewTenant, create_tenant};
use workflows::realm_move::{MoveRequest, Verification, When, cancel_move, start_move};
use workflows::refusal::Refusal;
use workflows::removal::{Accepted, replay_removal};
use workflows::topology_change::apply_topology;

use crate::hooks::LANES;
use crate::invariants::Broken;
use crate::scenario::{Deed, REGIONS, Sorted};
use crate::tables::SORT;
use crate::world::{Event, World};

/// Attempts at a deed while the database breaks off.
const ATTEMPTS: usize = 3;

/// Replays of failed removals, at the most.
const REPLAYS: u32 = 40;

/// How often each table deletes what has expired.
const SWEEPS: usize = 40;

/// In so many plays of a thousand somebody writes late,
const LATE_WRITERS: u32 = 400;
/// so often at the most: mostly there is no removal.
const LATE_WRITES: usize = 30;

/// A deed that is due.
#[derive(Debug, Clone)]
pub(crate) enum Deeds {
    /// The scenario's deed of this number.
    Planned(usize),
    Cancel(String),
    /// Ends the pause of a tenant, or of everything.
    LetGo(Option<usize>),
    Replay(String),
    /// Replays a removal, accepting what this stands for.
    Accept(String, String),
    /// Some removal, whatever has become of it.
    ReplayAny,
}

/// What an operator was told.
#[derive(Debug)]
pub(crate) enum Told {
    Started { deed: usize, id: String },
    Said(String),
}

impl Told {
    fn of(answer: Result<String, Refusal>) -> Self {
        Self::Said(answer.unwrap_or_else(|refusal| refusal.code().to_owned()))
    }
}

fn actor() -> Actor {
    Actor::new("operator", "to play")
}

fn tell(told: &Mutex<Vec<Told>>, what: Told) {
    told.lock().expect("no holder of this lock panics").push(what);
}

impl World {
    fn operator(&self) -> usize {
        self.scenario.processes
    }

    fn free_lane(&self) -> Option<usize> {
        let first = self.operator() * LANES;
        (first..first + LANES).find(|lane| !self.lanes.is_busy(*lane))
    }

    /// Applies the topology, creates the tenants and fills their tables.
    pub(crate) async fn found(&mut self) -> Result<(), Broken> {
        let deployment = self.processes[self.operator()].deployment.clone();
        let (yaml, tenants) = (self.scenario.topology(), self.scenario.tenants.clone());
        let lane = self.free_lane().expect("nobody acts yet");
        self.lanes.begin(lane, async move {
            apply_topology(&deployment, &yaml, &actor()).await.expect("the topology is valid");
            for (id, realm) in tenants {
                let host = format!("{id}.example").parse().expect("a host");
                let new = NewTenant { id: id.parse().expect("an id"), host, realm: realm.to_owned() };
                create_tenant(&deployment, &new, &actor()).await.expect("the tenant is created");
            }
        });
        while self.lanes.is_busy(lane) {
            match self.ready_lane() {
                Some(lane) => self.run(lane).await?,
                None => self.next_event().await?,
            }
        }
        self.fill_tables();
        self.let_replicas_diverge();
        Ok(())
    }

    /// Plans what the scenario says.
    pub(crate) fn plan_the_play(&mut self) {
        let calm_from = self.scenario.calm_from;
        for n in 0..self.scenario.deeds.len() {
            let at = self.scenario.deeds[n].0;
            self.plan(at, Event::Deed(Deeds::Planned(n)));
            if self.chance.permille(150) {
                let again = at + self.chance.between(0, 500);
                self.plan(again, Event::Deed(Deeds::Planned(n)));
            }
        }
        if let Some(Sorted { service, region, from, until }) = self.scenario.sorted.clone() {
            let at = (region.to_owned(), self.scenario.services[service].name.to_owned());
            self.plan(from, Event::MakeIndex { at: at.clone(), sort: Some(SORT) });
            self.plan(until, Event::MakeIndex { at, sort: None });
        }
        for service in self.scenario.services.clone().iter().filter(|service| service.expires) {
            for region in REGIONS {
                for _ in 0..SWEEPS {
                    let at = (region.to_owned(), service.name.to_owned());
                    let after = self.chance.between(1, 2 * calm_from);
                    self.plan(after, Event::Sweep(at));
                }
            }
        }
        if self.chance.permille(LATE_WRITERS) {
            for _ in 0..LATE_WRITES {
                let at = self.chance.between(calm_from / 4, 2 * calm_from);
                self.plan(at, Event::WriteLate);
            }
        }
        for tenant in 0..self.scenario.tenants.len() {
            for _ in 0..self.scenario.writes {
                let at = self.chance.between(0, calm_from + 500);
                self.plan(at, Event::Think { tenant });
            }
        }
        for _ in 0..self.chance.below(3) {
            let at = self.chance.between(calm_from / 3, calm_from);
            self.plan(at, Event::Deed(Deeds::ReplayAny));
        }
        self.plan(calm_from, Event::Calm);
        // By then nothing fails any more: no pause is left behind.
        for scope in std::iter::once(None).chain((0..self.scenario.tenants.len()).map(Some)) {
            self.plan(calm_from + 1, Event::Deed(Deeds::LetGo(scope)));
        }
    }

    /// An operator acts.
    pub(crate) fn act(&mut self, deed: Deeds) {
        let Some(lane) = self.free_lane() else { return };
        let process = &self.processes[self.operator()];
        let (deployment, told, now) = (process.deployment.clone(), Arc::clone(&self.told), process.clock.now());
        let name = format!("{deed:?}");
        match deed {
            Deeds::Planned(n) => {
                let (tenant, to, budget, delay) = match self.scenario.deeds[n].1 {
                    Deed::Move { tenant, to, budget, delay, .. } => (tenant, to, budget, delay),
                    Deed::Hold { tenant, lasting } => return self.hold_back(lane, tenant, lasting),
                };
                let request = MoveRequest {
                    tenant: self.scenario.tenants[tenant].0.clone(),
                    to: to.to_owned(),
                    when: When { at: delay.map(|delay| now + delay), window: None },
                    budget_ms: budget,
                    priority: Priority::default(),
                    verification: Verification::Full,
                    campaign: None,
                    idempotency_key: Some(format!("deed-{n}")),
                };
                self.note("operator", &format!("asks to move {} to {to}", request.tenant));
                self.lanes.begin(lane, async move {
                    for _ in 0..ATTEMPTS {
                        match start_move(&deployment, &request, &actor()).await {
                            Ok(started) => return tell(&told, Told::Started { deed: n, id: started.id }),
                            Err(Refusal::Store(_)) => {}
                            Err(refusal) => return tell(&told, Told::Said(refusal.code().to_owned())),
                        }
                    }
                });
            }
            Deeds::LetGo(tenant) => {
                let tenant = tenant.map(|tenant| self.scenario.tenants[tenant].0.clone());
                self.note("operator", &format!("lets {} go on", tenant.as_deref().unwrap_or("everything")));
                self.lanes.begin(lane, async move {
                    let answer = match tenant {
                        Some(tenant) => resume_tenant(&deployment, &tenant, &actor()).await,
                        None => resume_all(&deployment, &actor()).await,
                    };
                    tell(&told, Told::of(answer.map(|ended| format!("ended a pause: {ended}"))));
                });
            }
            Deeds::Cancel(id) => {
                self.note("operator", &format!("cancels {id}"));
                self.lanes.begin(lane, async move {
                    let answer = cancel_move(&deployment, &id, &actor()).await;
                    tell(&told, Told::of(answer.map(|outcome| format!("{outcome:?}"))));
                });
            }
            Deeds::Replay(id) => {
                self.note("operator", &format!("replays {id}"));
                self.lanes.begin(lane, async move {
                    let answer = replay_removal(&deployment, &id, Accepted::NOTHING, &actor()).await;
                    tell(&told, Told::of(answer.map(|outcome| format!("{outcome:?}"))));
                });
            }
            Deeds::Accept(id, hash) => {
                self.note("operator", &format!("replays {id}, accepting {hash}"));
                self.lanes.begin(lane, async move {
                    let answer = replay_removal(&deployment, &id, Accepted::late_writes(&hash), &actor()).await;
                    tell(&told, Told::of(answer.map(|outcome| format!("{outcome:?}"))));
                });
            }
            Deeds::ReplayAny => {
                let removals = self.invariants.seen.workflows.iter().filter(|(_, row)| row.kind == "removal");
                let ids: Vec<String> = removals.map(|(id, _)| id.clone()).collect();
                if !ids.is_empty() {
                    let id = self.chance.pick(&ids).clone();
                    self.act(Deeds::Replay(id));
                }
            }
        }
        self.trace.mix(name.len(), self.now);
    }

    fn hold_back(&mut self, lane: usize, tenant: Option<usize>, lasting: Millis) {
        let (deployment, told) = (self.processes[self.operator()].deployment.clone(), Arc::clone(&self.told));
        let name = tenant.map(|tenant| self.scenario.tenants[tenant].0.clone());
        self.note("operator", &format!("holds {} back for {lasting} ms", name.as_deref().unwrap_or("everything")));
        self.plan(lasting, Event::Deed(Deeds::LetGo(tenant)));
        self.lanes.begin(lane, async move {
            let answer = match name {
                Some(name) => pause_tenant(&deployment, &name, &actor()).await,
                None => pause_all(&deployment, &actor()).await,
            };
            tell(&told, Told::of(answer.map(|paused| format!("{paused:?}"))));
        });
    }

    /// Operators hear what came of their deeds.
    pub(crate) fn hear(&mut self) -> Result<(), Broken> {
        let told = std::mem::take(&mut *self.told.lock().expect("no holder of this lock panics"));
        for told in told {
            match told {
                Told::Said(what) => self.note("operator", &format!("is told: {what}")),
                Told::Started { deed, id } => {
                    self.started.entry(deed).or_insert_with(|| id.clone());
                    if let Some(first) = self.started.get(&deed).filter(|first| **first != id) {
                        return Err(format!("P7: one request started {first} and {id}"));
                    }
                    self.note("operator", &format!("is told: deed {deed} is move {id}"));
                    if let Deed::Move { cancel: Some(after), .. } = self.scenario.deeds[deed].1 {
                        self.plan(after, Event::Deed(Deeds::Cancel(id)));
                    }
                }
            }
        }
        Ok(())
    }

    /// Ends a pause that is still in force, because it was committed after it should have ended; `false` when there is none.
    pub(crate) fn let_go_of_the_rest(&mut self) -> bool {
        let Some(scope) = self.invariants.seen.pauses.keys().next() else { return false };
        let held = scope.strip_prefix("tenant:");
        let tenant = held.and_then(|held| self.scenario.tenants.iter().position(|(id, _)| id == held));
        self.act(Deeds::LetGo(tenant));
        true
    }

    /// Replays a removal that has failed; `true` when there is none.
    pub(crate) fn replay_failed(&mut self) -> Result<bool, Broken> {
        let seen = &self.invariants.seen;
        let is_owed = |id: &String| {
            seen.ledger_entries
                .values()
                .any(|ledger_entry| ledger_entry.state == "removing" && ledger_entry.workflow.as_ref() == Some(id))
        };
        let mut failed = seen.workflows.iter().filter(|(_, row)| row.state == "failed" && row.kind == "removal");
        let Some(id) = failed.find(|(id, _)| is_owed(id)).map(|(id, _)| id.clone()) else { return Ok(true) };
        self.replays += 1;
        if self.replays > REPLAYS {
            return Err(format!("P9: removal {id} fails again and again"));
        }
        let deed = self.see_to(&id)?;
        self.act(deed);
        Ok(false)
    }
}
