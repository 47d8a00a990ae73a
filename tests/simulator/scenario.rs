//! What is played under a seed: the constants, the services, the tenants, what operators do and when.

use std::fmt::Write as _;
use std::time::Duration;

use testkit::simulator::{Chance, Millis};
use workflows::timing::Timing;

use crate::faults::FaultRates;

pub(crate) const US: &str = "us-east-1";
pub(crate) const EU: &str = "eu-west-1";
pub(crate) const AP: &str = "ap-south-1";
pub(crate) const REGIONS: [&str; 3] = [US, EU, AP];

const REALMS: [&str; 3] = ["us", "eu", "global"];

/// How a service's data is replicated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// In one region at a time.
    Single,
    /// Written by its application to every region of its shard.
    Application,
    /// The store itself replicates between two regions, and not to the third.
    Native,
}

/// A service, with a table of the same name in each region.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) parts: u32,
    pub(crate) asynchronous: bool,
    /// Whether its items may expire by themselves.
    pub(crate) expires: bool,
}

/// What an operator does.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    Move {
        tenant: usize,
        to: &'static str,
        budget: Option<Millis>,
        delay: Option<Millis>,
        cancel: Option<Millis>,
    },
    /// Holds back what is done with one tenant, or with all, for some time.
    Hold {
        tenant: Option<usize>,
        lasting: Millis,
    },
}

/// A time in which the index of a table has a sort key.
#[derive(Debug, Clone)]
pub(crate) struct Sorted {
    pub(crate) service: usize,
    pub(crate) region: &'static str,
    pub(crate) from: Millis,
    pub(crate) until: Millis,
}

/// Everything that is decided before the play begins.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) timing: Timing,
    /// How long a caller waits for an answer.
    pub(crate) patience: Millis,
    pub(crate) page_keys: i32,
    pub(crate) batches: usize,
    pub(crate) checkpoint_every: Millis,
    pub(crate) processes: usize,
    pub(crate) lanes: usize,
    /// Processes keep a workflow until it waits, and not for one step only.
    pub(crate) steps_on: bool,
    pub(crate) services: Vec<Service>,
    /// Tenants with the realm they begin in.
    pub(crate) tenants: Vec<(String, &'static str)>,
    pub(crate) items: usize,
    /// One of the replicas of every service that its application replicates lacks so many of a tenant's
    /// items, until somebody repairs it.
    pub(crate) lacking: usize,
    pub(crate) writes: usize,
    pub(crate) deeds: Vec<(Millis, Deed)>,
    /// An index that is made anew, under its name, with a sort key that some items lack; and back again before the faults end.
    pub(crate) sorted: Option<Sorted>,
    pub(crate) rates: FaultRates,
    /// A region that is away: which one, from when on and until when.
    pub(crate) away: Option<(&'static str, Millis, Millis)>,
    /// When faults end.
    pub(crate) calm_from: Millis,
}

fn ms(millis: Millis) -> Duration {
    Duration::from_millis(millis.unsigned_abs())
}

impl Scenario {
    pub(crate) fn drawn(chance: &mut Chance) -> Self {
        let native = chance.permille(150);
        let timing = timing(chance);
        let tenants = usize::from(chance.permille(250)) + 1;
        let realms: &[&str] = if native { &["us", "eu"] } else { &["us", "us", "eu", "global"] };
        let tenants: Vec<_> = (0..tenants).map(|n| (format!("tenant-{n}"), *chance.pick(realms))).collect();
        let lacking = *chance.pick(&[0, 0, 0, 0, 0, 1, 3]);
        let calm_from = chance.between(1_500, 6_000);
        let deeds = deeds(chance, &tenants, &timing, calm_from);
        let services = services(chance, native);
        let sorted = chance.permille(120).then(|| {
            let from = chance.between(1, calm_from / 2);
            let until = from + chance.between(200, calm_from / 3);
            let (service, region) = (chance.below(services.len()), *chance.pick(&REGIONS));
            Sorted { service, region, from, until }
        });
        let away = away(chance, &timing, calm_from);
        Self {
            patience: chance.between(50, 300),
            page_keys: i32::try_from(chance.between(2, 12)).expect("small"),
            batches: *chance.pick(&[1, 1, 2, 4]),
            checkpoint_every: *chance.pick(&[0, 20, 100]),
            processes: *chance.pick(&[1, 2, 2, 3]),
            lanes: *chance.pick(&[1, 2]),
            steps_on: chance.permille(600),
            services,
            sorted,
            tenants,
            items: chance.below(12) + 2,
            lacking,
            writes: chance.below(25),
            deeds,
            away,
            rates: FaultRates::drawn(chance),
            calm_from,
            timing,
        }
    }

    /// The topology file.
    pub(crate) fn topology(&self) -> String {
        let native = self.services.iter().any(|service| service.kind == Kind::Native);
        let global = if native { EU.to_owned() } else { REGIONS.join(", ") };
        let mut yaml = format!(
            "regions:\n  {US}: {{}}\n  {EU}: {{}}\n  {AP}: {{}}\nrealms:\n  us: {{ dataRegions: [{US}] }}\n  \
             eu: {{ dataRegions: [{EU}, {AP}] }}\n  global: {{ dataRegions: [{global}] }}\nservices:\n"
        );
        for service in &self.services {
            let Service { name, kind, parts, asynchronous, .. } = service;
            let consistency = if *asynchronous { "async" } else { "sync" };
            let replication = match kind {
                Kind::Single => String::new(),
                Kind::Application => format!("    replication: application\n    consistency: {consistency}\n"),
                Kind::Native => format!("    replication: native\n    consistency: {consistency}\n"),
            };
            let wide = match kind {
                Kind::Single => String::new(),
                Kind::Application => format!("      - {{ shard: {name}-global, dataRegions: [{US}, {EU}] }}\n"),
                // One of two that replicate to each other: no move may go there.
                Kind::Native => format!("      - {{ shard: {name}-global, dataRegions: [{EU}] }}\n"),
            };
            let eu = if *kind == Kind::Native { format!("{EU}, {AP}") } else { EU.to_owned() };
            write!(
                yaml,
                "  {name}:\n{replication}    store: {{ dynamodb: {{ table: {name}, index: by-tenant, indexKey: tenant_shard, \
                 shardCount: {parts} }} }}\n    shards:\n{wide}      - {{ shard: {name}-us, dataRegions: [{US}] }}\n      \
                 - {{ shard: {name}-eu, dataRegions: [{eu}] }}\n"
            )
            .expect("a String takes everything");
        }
        yaml
    }
}

fn timing(chance: &mut Chance) -> Timing {
    let lease = chance.between(200, 800);
    let index_settle = chance.between(30, 400);
    let offline_lease = (lease * chance.between(2, 4)).max(index_settle * 3);
    let (life, skew) = (chance.between(200, 900), chance.between(2, 30));
    // A move that has to wait for a request to expire can still end in time, mostly.
    let least_deadline = life + lease + 40;
    let timing = Timing {
        lease: ms(lease),
        heartbeat: ms(lease / chance.between(3, 6)),
        offline_lease: ms(offline_lease),
        offline_deadline: ms((offline_lease * chance.between(2, 12)).max(least_deadline)),
        context_ttl: ms(chance.between(5, 120)),
        drain_time: ms(chance.between(skew, 120)),
        max_clock_skew: ms(skew),
        index_settle: ms(index_settle),
        wait_limit: ms(chance.between(1_000, 10_000)),
        signed_request_ttl_dynamodb: ms(life),
        signed_request_ttl_s3: ms(life),
        signed_request_ttl_hooks: ms(life),
        queue_retention: ms(chance.between(100, 1_500)),
    };
    timing.check().expect("the simulation's constants fit together");
    timing
}

/// Often longer than any number of attempts lasts that work with a deadline makes.
fn away(chance: &mut Chance, timing: &Timing, calm_from: Millis) -> Option<(&'static str, Millis, Millis)> {
    if !chance.permille(200) {
        return None;
    }
    let heartbeat = i64::try_from(timing.heartbeat.as_millis()).expect("short");
    let from = chance.between(1, calm_from);
    Some((*chance.pick(&[US, EU]), from, from + heartbeat * chance.between(3, 60)))
}

fn services(chance: &mut Chance, native: bool) -> Vec<Service> {
    let parts = |chance: &mut Chance| *chance.pick(&[1, 1, 2, 3]);
    let service = |name, kind, chance: &mut Chance| Service {
        name,
        kind,
        parts: parts(chance),
        asynchronous: kind == Kind::Application && chance.permille(300),
        expires: kind != Kind::Native && chance.permille(300),
    };
    if native {
        return vec![service("profiles", Kind::Native, chance)];
    }
    match chance.below(3) {
        0 => vec![service("issues", Kind::Single, chance)],
        1 => vec![service("activity", Kind::Application, chance)],
        _ => vec![service("activity", Kind::Application, chance), service("issues", Kind::Single, chance)],
    }
}

fn deeds(
    chance: &mut Chance,
    tenants: &[(String, &'static str)],
    timing: &Timing,
    calm_from: Millis,
) -> Vec<(Millis, Deed)> {
    let least = i64::try_from(timing.least_offline().as_millis()).expect("short");
    let moves = *chance.pick(&[1, 2, 2, 3, 4]);
    let mut at = chance.between(1, 150);
    let mut deeds = Vec::new();
    for _ in 0..moves {
        let tenant = chance.below(tenants.len());
        let deed = Deed::Move {
            tenant,
            to: REALMS[chance.below(REALMS.len())],
            budget: chance.permille(150).then(|| least + chance.between(1, 2_000)),
            delay: chance.permille(150).then(|| chance.between(1, 300)),
            cancel: chance.permille(200).then(|| chance.between(1, 1_200)),
        };
        deeds.push((at, deed));
        at += chance.between(1, calm_from / 2);
    }
    for _ in 0..*chance.pick(&[0, 0, 1, 2]) {
        let tenant = chance.permille(600).then(|| chance.below(tenants.len()));
        let lasting = chance.between(1, calm_from / 2);
        deeds.push((chance.between(1, calm_from), Deed::Hold { tenant, lasting }));
    }
    deeds
}
