//! Laws that hold for any topology, tenant and pair of realms.

use std::collections::{BTreeMap, BTreeSet};

use catalogue::location::Location;
use catalogue::topology::{Consistency, Realm, Region, Replication, Service, Shard, StoreSpec, Topology, UnitLimits};
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};

use super::super::{Load, Placed, Plan, PlanError, ServicePlan, difference};
use super::Case;

const REGIONS: [&str; 4] = ["ap", "eu", "sa", "us"];
const REALMS: [&str; 3] = ["one", "three", "two"];

fn names(of: &[&str]) -> Vec<String> {
    of.iter().map(|&name| name.to_owned()).collect()
}

/// Some regions in any order.
fn some_regions() -> impl Strategy<Value = Vec<String>> {
    subsequence(&REGIONS, 1..=REGIONS.len()).prop_shuffle().prop_map(|regions| names(&regions))
}

fn store(name: &str, table: bool) -> StoreSpec {
    if table {
        let (index, index_key) = ("by-tenant".to_owned(), "tenant_shard".to_owned());
        StoreSpec::Dynamodb {
            table: name.to_owned(),
            index,
            index_key,
            shard_count: 4,
            key_prefix: None,
            limits: UnitLimits::default(),
        }
    } else {
        StoreSpec::S3 { bucket: format!("{name}-{{region}}"), prefix: "{tenant}/".to_owned() }
    }
}

prop_compose! {
    fn any_service(number: usize)(
        table: bool,
        replication in prop_oneof![Just(Replication::None), Just(Replication::Application), Just(Replication::Native)],
        consistency in prop_oneof![Just(None), Just(Some(Consistency::Sync)), Just(Some(Consistency::Async))],
        optional in prop::bool::weighted(0.2),
        shards in prop::collection::vec((some_regions(), prop::bool::weighted(0.3)), 1..=5),
    ) -> Service {
        let shard = |(position, (mut data_regions, own)): (usize, (Vec<String>, bool))| {
            if replication == Replication::None {
                data_regions.truncate(1);
            }
            let own = own.then(|| store(&format!("service{number}-own{position}"), table));
            Shard { shard: format!("shard-{position}"), data_regions, store: own, ..Shard::default() }
        };
        let shards = shards.into_iter().enumerate().map(shard).collect();
        Service { store: store(&format!("service{number}"), table), replication, consistency, optional, shards }
    }
}

prop_compose! {
    /// A valid topology: shards that fit no realm are left out, and services without shards with them.
    fn any_topology()(
        realms in [some_regions(), some_regions(), some_regions()],
        services in (any_service(0), any_service(1), any_service(2)),
    ) -> Topology {
        let realm = |data_regions| Realm { data_regions, ..Realm::default() };
        let realms: BTreeMap<String, Realm> = names(&REALMS).into_iter().zip(realms.map(realm)).collect();
        let mut kept = BTreeMap::new();
        for (position, mut service) in [services.0, services.1, services.2].into_iter().enumerate() {
            service.shards.retain(|shard| realms.values().any(|realm| shard.fits(realm)));
            if !service.shards.is_empty() {
                kept.insert(format!("service-{position}"), service);
            }
        }
        let regions = names(&REGIONS).into_iter().map(|name| (name, Region::default())).collect();
        Topology { regions, realms, services: kept, ..Topology::default() }
    }
}

prop_compose! {
    /// A tenant placed on any shards, with any load.
    pub(super) fn any_case()(
        topology in any_topology(),
        chosen in prop::collection::vec((any::<Index>(), prop::collection::vec(0..4_u64, 5)), 3),
    ) -> Case {
        let (mut placements, mut load) = (BTreeMap::new(), Load::new());
        for ((name, service), (index, tenants)) in topology.services.iter().zip(chosen) {
            let shard = index.get(&service.shards).shard.clone();
            let locations = topology.locations(name, &shard, "acme").expect("known");
            placements.insert(name.clone(), Placed { shard, locations });
            let loads = service.shards.iter().zip(tenants);
            load.extend(loads.map(|(shard, tenants)| ((name.clone(), shard.shard.clone()), tenants)));
        }
        Case { topology, placements, load, epoch: 7 }
    }
}

pub(super) fn any_realm() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&REALMS[..])
}

fn keys(locations: &[Location]) -> BTreeSet<String> {
    locations.iter().map(Location::key).collect()
}

fn union(a: &[Location], b: &[Location]) -> BTreeSet<String> {
    keys(a).union(&keys(b)).cloned().collect()
}

fn same_locations(one: &Plan, other: &Plan) -> bool {
    let apart = |service: &ServicePlan| {
        (service.to_shard.clone(), keys(&service.add), keys(&service.keep), keys(&service.remove))
    };
    one.services.iter().map(apart).eq(other.services.iter().map(apart))
}

fn check_service(case: &Case, service: &ServicePlan, realm: &Realm) -> Result<(), TestCaseError> {
    let (add, keep, remove) = (keys(&service.add), keys(&service.keep), keys(&service.remove));
    prop_assert!(add.is_disjoint(&keep) && keep.is_disjoint(&remove) && add.is_disjoint(&remove));
    let old = keys(&case.placements[&service.service].locations);
    prop_assert_eq!(union(&service.keep, &service.remove), old);
    if service.stays_out_of_realm {
        prop_assert!(case.topology.services[&service.service].optional && add.is_empty() && remove.is_empty());
        return Ok(());
    }
    let new = case.topology.locations(&service.service, &service.to_shard, "acme").expect("known");
    prop_assert_eq!(union(&service.add, &service.keep), keys(&new));
    for location in service.add.iter().chain(&service.keep) {
        prop_assert!(realm.data_regions.contains(&location.region), "{} is outside the realm", location.name);
    }
    let primary = &case.placements[&service.service].locations[0];
    prop_assert_eq!(service.source.is_some(), !add.is_empty() || service.compare_keep);
    prop_assert!(service.source.as_ref().is_none_or(|source| source == primary));
    Ok(())
}

proptest! {
    #[test]
    fn the_generated_topologies_are_valid(topology in any_topology()) {
        prop_assert_eq!(topology.validate(), vec![]);
    }

    #[test]
    fn plans_keep_the_laws_of_set_difference_and_stay_in_the_realm(
        case in any_case(), from in any_realm(), to in any_realm(),
    ) {
        match case.plan(from, to) {
            Ok(plan) => {
                prop_assert!(plan.changes_anything());
                for service in &plan.services {
                    check_service(&case, service, &case.topology.realms[to])?;
                }
                let copies = plan.services.iter().any(|service| !service.add.is_empty());
                prop_assert!(plan.needs_offline() || !copies);
            }
            Err(PlanError::NothingToDo { .. }) => prop_assert_eq!(from, to),
            Err(PlanError::NoShard { service, realm }) => {
                let service = &case.topology.services[&service];
                let realm = &case.topology.realms[&realm];
                prop_assert!(!service.optional && !service.shards.iter().any(|shard| shard.fits(realm)));
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }

    #[test]
    fn set_difference_holds_for_any_lists(
        old in prop::collection::vec(0..8_u8, 0..8), new in prop::collection::vec(0..8_u8, 0..8),
    ) {
        let place = |number: &u8| Location {
            name: number.to_string(),
            region: "eu".to_owned(),
            address: catalogue::location::Address::S3 { endpoint: None, bucket: "bbb".to_owned(), prefix: format!("{number}/") },
            table_id: None,
        };
        let list = |numbers: &[u8]| numbers.iter().map(place).collect::<Vec<_>>();
        let apart = difference(&list(&old), &list(&new));
        let (old, new): (BTreeSet<u8>, BTreeSet<u8>) = (old.into_iter().collect(), new.into_iter().collect());
        let numbers = |locations: &[Location]| locations.iter().map(|l| l.name.parse().expect("a number")).collect::<Vec<u8>>();
        let sorted = |locations: &[Location]| { let mut all = numbers(locations); all.sort_unstable(); all };
        prop_assert_eq!(sorted(&apart.add), new.difference(&old).copied().collect::<Vec<_>>());
        prop_assert_eq!(sorted(&apart.keep), new.intersection(&old).copied().collect::<Vec<_>>());
        prop_assert_eq!(sorted(&apart.remove), old.difference(&new).copied().collect::<Vec<_>>());
    }

    #[test]
    fn the_way_back_mirrors_the_way_there(mut case in any_case(), from in any_realm(), to in any_realm()) {
        let Ok(there) = case.plan(from, to) else { return Ok(()) };
        case.commit(&there);
        let Ok(back) = case.plan(to, from) else { return Ok(()) };
        for (out, home) in there.services.iter().zip(&back.services) {
            if out.from_shard.as_ref() == Some(&home.to_shard) && !out.stays_out_of_realm {
                prop_assert_eq!(keys(&out.add), keys(&home.remove));
                prop_assert_eq!(keys(&out.remove), keys(&home.add));
                prop_assert_eq!(keys(&out.keep), keys(&home.keep));
            }
        }
    }

    #[test]
    fn a_committed_plan_leaves_nothing_to_do(mut case in any_case(), from in any_realm(), to in any_realm()) {
        let Ok(plan) = case.plan(from, to) else { return Ok(()) };
        case.commit(&plan);
        let nothing = PlanError::NothingToDo { realm: to.to_owned() };
        prop_assert_eq!(case.plan(to, to).err(), Some(nothing));
    }

    #[test]
    fn widening_removes_nothing_and_narrowing_back_adds_nothing(
        mut topology in any_topology(), home in some_regions(), own in prop::bool::ANY,
    ) {
        // Realm `one` lies within realm `two`, and every service has a shard as wide as each of them.
        topology.realms.get_mut("one").expect("there").data_regions.clone_from(&home);
        topology.realms.get_mut("two").expect("there").data_regions = names(&REGIONS);
        for (position, service) in topology.services.values_mut().enumerate() {
            service.replication = Replication::Application;
            let table = matches!(service.store, StoreSpec::Dynamodb { .. });
            // A table of their own, shared by both, changes nothing.
            let store = own.then(|| store(&format!("wide{position}"), table));
            service.shards = [("narrow", home.clone()), ("wide", names(&REGIONS))]
                .map(|(shard, data_regions)| Shard { shard: shard.to_owned(), data_regions, store: store.clone(), ..Shard::default() })
                .into();
        }
        let services: Vec<String> = topology.services.keys().cloned().collect();
        let mut case = Case { topology, placements: BTreeMap::new(), load: Load::new(), epoch: 1 };
        for service in &services {
            case.place(service, "narrow");
        }
        let wide = case.plan("one", "two").expect("a plan");
        prop_assert!(wide.services.iter().all(|service| service.remove.is_empty()));
        case.commit(&wide);
        let narrow = case.plan("two", "one").expect("a plan");
        prop_assert!(narrow.services.iter().all(|service| service.add.is_empty()));
    }

    #[test]
    fn the_plan_does_not_depend_on_the_order_of_declaration(
        mut case in any_case(), from in any_realm(), to in any_realm(), shuffle in any::<Index>(),
    ) {
        let before = case.plan(from, to);
        for service in case.topology.services.values_mut() {
            let by = shuffle.index(service.shards.len());
            service.shards.rotate_left(by);
            service.shards.reverse();
        }
        match (before, case.plan(from, to)) {
            (Ok(before), Ok(after)) => prop_assert!(same_locations(&before, &after)),
            (before, after) => prop_assert_eq!(before.err(), after.err()),
        }
    }

    #[test]
    fn the_hash_is_stable_and_follows_epoch_and_places(
        mut case in any_case(), from in any_realm(), to in any_realm(),
    ) {
        let Ok(plan) = case.plan(from, to) else { return Ok(()) };
        prop_assert_eq!(case.plan(from, to).expect("the same plan").hash(), plan.hash());
        for position in 0..plan.services.len() {
            let mut other = plan.clone();
            let service = &mut other.services[position];
            for location in service.add.iter_mut().chain(&mut service.keep).chain(&mut service.remove).take(1) {
                match &mut location.address {
                    catalogue::location::Address::Dynamodb { table, .. } => table.push('x'),
                    catalogue::location::Address::S3 { prefix, .. } => prefix.push_str("x/"),
                    catalogue::location::Address::Hooks { url, .. } => url.push('x'),
                }
            }
            prop_assert_ne!(other.hash(), plan.hash());
        }
        case.epoch += 1;
        prop_assert_ne!(case.plan(from, to).expect("a plan").hash(), plan.hash());
        case.epoch -= 1;
        case.topology.realms.get_mut(from).expect("there").countries.push("DE".to_owned());
        prop_assert_eq!(case.plan(from, to).expect("a plan").hash(), plan.hash());
    }
}
