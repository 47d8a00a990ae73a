//! A plan is bound to what it was made from: edits elsewhere never void it, each edit of that does and says what it was.

use std::collections::BTreeMap;

use catalogue::topology::{
    Consistency, Endpoint, Realm, Region, Replication, Service, Shard, StoreSpec, Topology, UnitLimits,
};
use proptest::prelude::*;
use proptest::sample::Index;

use super::super::{Plan, changed_since};
use super::laws::{any_case, any_realm};
use super::{Case, american};

/// An edit that has nothing to do with any tenant that is placed everywhere.
#[derive(Debug, Clone, Copy)]
enum Unrelated {
    OverallLimits,
    RegionAndRealm,
    CountriesAndTimezones,
    TableLimits,
    ShardUrlAndMetadata,
    OptionalService,
    OrderOfShards,
    AnotherShard,
}

const UNRELATED: [Unrelated; 8] = [
    Unrelated::OverallLimits,
    Unrelated::RegionAndRealm,
    Unrelated::CountriesAndTimezones,
    Unrelated::TableLimits,
    Unrelated::ShardUrlAndMetadata,
    Unrelated::OptionalService,
    Unrelated::OrderOfShards,
    Unrelated::AnotherShard,
];

fn limited() -> UnitLimits {
    UnitLimits { write_units: Some(7), ..UnitLimits::default() }
}

impl Unrelated {
    fn apply(self, topology: &mut Topology, plan: &Plan) {
        match self {
            Self::OverallLimits => topology.limits = limited(),
            Self::RegionAndRealm => {
                topology.regions.insert("zz".to_owned(), Region::default());
                let realm = Realm { data_regions: vec!["zz".to_owned()], ..Realm::default() };
                topology.realms.insert("zz".to_owned(), realm);
            }
            Self::CountriesAndTimezones => topology.realms.values_mut().for_each(|realm| {
                realm.countries.push("DE".to_owned());
                realm.timezones.push("Europe/*".to_owned());
            }),
            Self::TableLimits => topology.services.values_mut().for_each(|service| {
                let own = service.shards.iter_mut().filter_map(|shard| shard.store.as_mut());
                for store in own.chain([&mut service.store]) {
                    if let StoreSpec::Dynamodb { limits, .. } = store {
                        *limits = limited();
                    }
                }
            }),
            Self::ShardUrlAndMetadata => each_shard(topology, |shard| {
                shard.url = Some("https://elsewhere.example".to_owned());
                shard.metadata.insert("tier".to_owned(), "gold".into());
            }),
            Self::OptionalService => drop(topology.services.insert("zz".to_owned(), bucket_service(true))),
            Self::OrderOfShards => {
                for service in topology.services.values_mut() {
                    service.shards.reverse();
                }
            }
            // Where a service stays out of the realm for want of a shard, one more of them may matter.
            Self::AnotherShard => {
                for planned in plan.services.iter().filter(|planned| !planned.stays_out_of_realm) {
                    let service = topology.services.get_mut(&planned.service).expect("it is planned");
                    let like = service.shards[0].clone();
                    service.shards.push(Shard { shard: "shard-zz".to_owned(), ..like });
                }
            }
        }
    }
}

fn each_shard(topology: &mut Topology, edit: impl Fn(&mut Shard)) {
    topology.services.values_mut().flat_map(|service| &mut service.shards).for_each(edit);
}

fn bucket_service(optional: bool) -> Service {
    let shard = Shard { shard: "zz-us".to_owned(), data_regions: vec!["us".to_owned()], ..Shard::default() };
    Service {
        store: StoreSpec::S3 { bucket: "zz-{region}".to_owned(), prefix: "{tenant}/".to_owned() },
        replication: Replication::None,
        consistency: None,
        optional,
        shards: vec![shard],
    }
}

proptest! {
    #[test]
    fn unrelated_edits_never_void_a_plan(
        mut case in any_case(), from in any_realm(), to in any_realm(),
        edits in prop::collection::vec(prop::sample::select(&UNRELATED[..]), 1..6),
    ) {
        let Ok(plan) = case.plan(from, to) else { return Ok(()) };
        for edit in &edits {
            edit.apply(&mut case.topology, &plan);
        }
        prop_assert_eq!(changed_since(&plan, &case.topology, &case.placements), None);
    }

    #[test]
    fn unrelated_edits_do_not_change_the_hash(
        mut case in any_case(), from in any_realm(), to in any_realm(), edit in prop::sample::select(&UNRELATED[..]),
    ) {
        let Ok(plan) = case.plan(from, to) else { return Ok(()) };
        edit.apply(&mut case.topology, &plan);
        // One more shard may be chosen by a plan that is made anew; that one is another plan.
        let Ok(again) = case.plan(from, to) else { return Ok(()) };
        prop_assume!(plan.services.iter().zip(&again.services).all(|(one, other)| one.to_shard == other.to_shard));
        prop_assert_eq!(plan.hash(), again.hash());
    }

    #[test]
    fn the_hash_changes_when_the_plan_is_voided(
        mut case in any_case(), from in any_realm(), to in any_realm(), which in any::<Index>(), count in 5u32..9,
    ) {
        let Ok(plan) = case.plan(from, to) else { return Ok(()) };
        prop_assume!(!plan.services.is_empty());
        let name = case.topology.services.keys().nth(which.index(case.topology.services.len())).expect("one").clone();
        let service = case.topology.services.get_mut(&name).expect("there");
        let own = service.shards.iter_mut().filter_map(|shard| shard.store.as_mut());
        for store in own.chain([&mut service.store]) {
            if let StoreSpec::Dynamodb { shard_count, .. } = store {
                *shard_count = count;
            }
        }
        let Ok(again) = case.plan(from, to) else { return Ok(()) };
        let voided = changed_since(&plan, &case.topology, &case.placements);
        prop_assert_eq!(voided.is_some(), plan.hash() != again.hash(), "{:?}", voided);
    }
}

/// What is said of a plan us -> eu after an edit of the topology.
fn said(edit: impl FnOnce(&mut Topology)) -> Option<String> {
    said_of(american(), ("us", "eu"), edit)
}

fn said_of(mut case: Case, (from, to): (&str, &str), edit: impl FnOnce(&mut Topology)) -> Option<String> {
    let plan = case.plan(from, to).expect("a plan");
    edit(&mut case.topology);
    changed_since(&plan, &case.topology, &case.placements)
}

fn issues(topology: &mut Topology) -> &mut Service {
    topology.services.get_mut("issues").expect("there")
}

#[track_caller]
fn voided(said: Option<String>, words: &str) {
    let said = said.unwrap_or_else(|| panic!("nothing is said, such as: {words}"));
    assert!(said.contains(words), "{said} does not say: {words}");
}

#[test]
fn each_edit_of_what_a_plan_rests_on_voids_it_and_is_named() {
    voided(said(|topology| drop(topology.realms.remove("eu"))), "realm eu was taken out");
    voided(said(|topology| drop(topology.services.remove("issues"))), "service issues was taken out");
    voided(
        said(|topology| issues(topology).shards.retain(|shard| shard.shard != "issues-eu")),
        "shard issues-eu of service issues was taken out",
    );
    let leave = |topology: &mut Topology| {
        topology.realms.get_mut("eu").expect("there").data_regions = vec!["us-east-1".to_owned()];
    };
    voided(said(leave), "no longer fits realm eu");
    let table = |edit: fn(&mut StoreSpec)| said(|topology| edit(&mut issues(topology).store));
    voided(
        table(|store| match store {
            StoreSpec::Dynamodb { shard_count, .. } => *shard_count = 16,
            other => panic!("{other:?}"),
        }),
        "shardCount (10, now 16) of service issues at eu-west-1",
    );
    voided(
        table(|store| match store {
            StoreSpec::Dynamodb { index, .. } => *index = "by-other".to_owned(),
            other => panic!("{other:?}"),
        }),
        "the index of service issues at eu-west-1",
    );
    voided(
        table(|store| match store {
            StoreSpec::Dynamodb { key_prefix, .. } => *key_prefix = Some("{tenant}/".to_owned()),
            other => panic!("{other:?}"),
        }),
        "keyPrefix of service issues",
    );
    voided(
        table(|store| match store {
            StoreSpec::Dynamodb { table, .. } => *table = "issues-2".to_owned(),
            other => panic!("{other:?}"),
        }),
        "the locations of service issues",
    );
    let elsewhere = Some(Endpoint { endpoint: "http://127.0.0.1:9".to_owned(), address: None });
    voided(
        said(|topology| topology.regions.get_mut("eu-west-1").expect("there").dynamodb = elsewhere),
        "the locations of service",
    );
    let added = "service zz, in which the tenant has no placement";
    voided(said(|topology| drop(topology.services.insert("zz".to_owned(), bucket_service(false)))), added);
}

#[test]
fn how_a_service_is_reached_in_which_nothing_changes_does_not_matter() {
    let grown = |topology: &mut Topology| match &mut issues(topology).store {
        StoreSpec::Dynamodb { shard_count, .. } => *shard_count = 16,
        other => panic!("{other:?}"),
    };
    assert_eq!(said_of(american(), ("us", "global"), grown), None, "issues stay where they are");
}

#[test]
fn how_replicas_agree_matters_only_to_a_plan_that_relies_on_one() {
    let lag = |topology: &mut Topology| {
        topology.services.get_mut("activity").expect("there").consistency = Some(Consistency::Async);
    };
    voided(said_of(american(), ("us", "global"), lag), "how service activity replicates");
    assert_eq!(said(lag), None, "us to eu keeps no copy");
}

#[test]
fn data_that_stays_out_of_a_realm_for_want_of_a_shard_does_not_once_there_is_one() {
    let stays = || {
        let mut case = american();
        issues(&mut case.topology).optional = true;
        issues(&mut case.topology).shards.retain(|shard| shard.shard != "issues-eu");
        case
    };
    let eu = || Shard { shard: "issues-eu".to_owned(), data_regions: vec!["eu-west-1".to_owned()], ..Shard::default() };
    voided(said_of(stays(), ("us", "eu"), |topology| issues(topology).shards.push(eu())), "has got shard issues-eu");
    voided(said_of(stays(), ("us", "eu"), |topology| issues(topology).optional = false), "is no longer optional");
}

#[test]
fn a_tenant_that_was_placed_meanwhile_needs_another_plan() {
    let mut case = american();
    issues(&mut case.topology).optional = true;
    let issues = case.placements.remove("issues").expect("placed");
    let plan = case.plan("us", "eu").expect("a plan");
    case.placements.insert("issues".to_owned(), issues);
    voided(changed_since(&plan, &case.topology, &case.placements), "the tenant was placed in service issues");
    let nowhere = BTreeMap::new();
    voided(changed_since(&plan, &case.topology, &nowhere), "lost its placement in service activity");
}
