//! Tests of the plan: the cases people ask about by name here, the laws for any topology in `laws`.

mod binding;
mod laws;

use std::collections::BTreeMap;

use catalogue::location::{Address, Location};
use catalogue::topology::Topology;

use super::{Load, Placed, Plan, PlanError, PlanInput, ServicePlan, choose_shard, plan};

const TOPOLOGY: &str = "
regions: { us-east-1: {}, eu-west-1: {} }
realms:
  us: { dataRegions: [us-east-1] }
  eu: { dataRegions: [eu-west-1] }
  global: { dataRegions: [us-east-1, eu-west-1] }
services:
  activity:
    replication: application
    consistency: sync
    store: { dynamodb: { table: activity, index: by-tenant, indexKey: tenant_shard, shardCount: 4 } }
    shards:
      - { shard: activity-global, dataRegions: [us-east-1, eu-west-1] }
      - { shard: activity-us, dataRegions: [us-east-1] }
      - { shard: activity-eu, dataRegions: [eu-west-1] }
  issues:
    store: { dynamodb: { table: issues, index: by-tenant, indexKey: tenant_shard, shardCount: 10 } }
    shards:
      - { shard: issues-us, dataRegions: [us-east-1] }
      - { shard: issues-eu, dataRegions: [eu-west-1] }
";

/// A tenant placed on shards of a topology.
#[derive(Debug)]
struct Case {
    topology: Topology,
    placements: BTreeMap<String, Placed>,
    load: Load,
    epoch: i64,
}

impl Case {
    fn new(yaml: &str, shards: &[(&str, &str)]) -> Self {
        let topology = Topology::parse(yaml).expect("a valid topology");
        let mut case = Self { topology, placements: BTreeMap::new(), load: Load::new(), epoch: 7 };
        for (service, shard) in shards {
            case.place(service, shard);
        }
        case
    }

    fn place(&mut self, service: &str, shard: &str) {
        let locations = self.topology.locations(service, shard, "acme").expect("known");
        self.placements.insert(service.to_owned(), Placed { shard: shard.to_owned(), locations });
    }

    fn plan(&self, from: &str, to: &str) -> Result<Plan, PlanError> {
        plan(&PlanInput {
            topology: &self.topology,
            version: &self.topology.version_hash(),
            tenant: "acme",
            epoch: self.epoch,
            from,
            to,
            placements: &self.placements,
            load: &self.load,
        })
    }

    /// The placements as they are after the plan's commit.
    fn commit(&mut self, plan: &Plan) {
        for service in &plan.services {
            if !service.stays_out_of_realm {
                self.place(&service.service, &service.to_shard);
            }
        }
        self.epoch += 1;
    }
}

fn american() -> Case {
    Case::new(TOPOLOGY, &[("activity", "activity-us"), ("issues", "issues-us")])
}

fn names(locations: &[Location]) -> Vec<&str> {
    locations.iter().map(|location| location.name.as_str()).collect()
}

/// `add / keep / remove` of a service.
fn sets(service: &ServicePlan) -> String {
    let list = |locations| names(locations).join(",");
    format!("{} / {} / {}", list(&service.add), list(&service.keep), list(&service.remove))
}

fn source(service: &ServicePlan) -> Option<&str> {
    service.source.as_ref().map(|location| location.name.as_str())
}

#[test]
fn us_to_eu_adds_europe_and_removes_america() {
    let plan = american().plan("us", "eu").expect("a plan");
    assert_eq!(plan.services.len(), 2);
    for service in &plan.services {
        assert_eq!(sets(service), "eu-west-1 /  / us-east-1");
        assert_eq!(source(service), Some("us-east-1"));
        assert!(!service.compare_keep && !service.stays_out_of_realm);
    }
    assert_eq!(plan.services[1].from_shard.as_deref(), Some("issues-us"));
    assert_eq!(plan.services[1].to_shard, "issues-eu");
    assert!(plan.needs_offline() && plan.changes_anything());
}

#[test]
fn us_to_global_removes_nothing_and_global_to_us_adds_nothing() {
    let mut case = american();
    let there = case.plan("us", "global").expect("a plan");
    assert_eq!(sets(&there.services[0]), "eu-west-1 / us-east-1 / ");
    assert_eq!(sets(&there.services[1]), " / us-east-1 / ", "issues keep their shard, which fits");
    assert_eq!(there.services[1].to_shard, "issues-us");
    case.commit(&there);
    let back = case.plan("global", "us").expect("a plan");
    assert_eq!(sets(&back.services[0]), " / us-east-1 / eu-west-1");
    assert_eq!(sets(&back.services[1]), " / us-east-1 / ");
    assert!(!back.needs_offline(), "nothing to copy, and replicas agree");
    assert!(back.changes_anything());
}

#[test]
fn replicas_that_may_lag_are_compared_before_they_are_relied_on() {
    // global -> eu keeps a replica that was not the primary.
    for (consistency, offline) in
        [("consistency: sync", false), ("consistency: async", true), ("optional: false", true)]
    {
        let yaml = TOPOLOGY.replace("consistency: sync", consistency);
        let case = Case::new(&yaml, &[("activity", "activity-global"), ("issues", "issues-eu")]);
        let plan = case.plan("global", "eu").expect("a plan");
        assert_eq!(sets(&plan.services[0]), " / eu-west-1 / us-east-1");
        assert_eq!(plan.services[0].compare_keep, offline, "{consistency}");
        assert_eq!(source(&plan.services[0]), offline.then_some("us-east-1"), "compared with the old primary");
        assert_eq!(plan.needs_offline(), offline, "{consistency}");
    }
}

#[test]
fn a_lagging_service_that_does_not_change_needs_no_comparison() {
    let yaml = TOPOLOGY.replace("consistency: sync", "consistency: async").replace(
        "  global: { dataRegions: [us-east-1, eu-west-1] }",
        "  global: { dataRegions: [us-east-1, eu-west-1] }\n  world: { dataRegions: [us-east-1, eu-west-1] }",
    );
    let case = Case::new(&yaml, &[("activity", "activity-global"), ("issues", "issues-us")]);
    let plan = case.plan("global", "world").expect("only the realm changes");
    assert!(!plan.needs_offline() && plan.changes_anything());
    assert_eq!(source(&plan.services[0]), None);
}

#[test]
fn a_service_without_a_shard_in_the_realm_refuses_the_move_unless_optional() {
    let yaml = TOPOLOGY.replace("      - { shard: issues-eu, dataRegions: [eu-west-1] }\n", "");
    let shards = [("activity", "activity-us"), ("issues", "issues-us")];
    let refused = Case::new(&yaml, &shards).plan("us", "eu").expect_err("no shard");
    assert_eq!(refused, PlanError::NoShard { service: "issues".to_owned(), realm: "eu".to_owned() });
    assert_eq!(refused.to_string(), "service issues has no shard that fits realm eu");

    let optional = yaml.replace("  issues:\n", "  issues:\n    optional: true\n");
    let plan = Case::new(&optional, &shards).plan("us", "eu").expect("a plan");
    let issues = &plan.services[1];
    assert_eq!(sets(issues), " / us-east-1 / ");
    assert!(issues.stays_out_of_realm);
    assert_eq!((issues.from_shard.as_deref(), issues.to_shard.as_str()), (Some("issues-us"), "issues-us"));
    assert!(!issues.changes_anything());
}

#[test]
fn a_service_without_a_placement_must_be_adopted_first_unless_optional() {
    let shards = [("activity", "activity-us")];
    let refused = Case::new(TOPOLOGY, &shards).plan("us", "eu").expect_err("not adopted");
    assert_eq!(refused, PlanError::NotAdopted { service: "issues".to_owned() });
    let optional = TOPOLOGY.replace("  issues:\n", "  issues:\n    optional: true\n");
    let plan = Case::new(&optional, &shards).plan("us", "eu").expect("a plan");
    assert_eq!(plan.services.len(), 1);
    assert_eq!(plan.not_adopted, ["issues"]);
}

#[test]
fn what_can_not_be_planned_is_a_typed_error_with_a_stable_code() {
    let mut case = american();
    let code = |case: &Case, to: &str| case.plan("us", to).expect_err("refused").code();
    assert_eq!(code(&case, "mars"), "unknown_realm");
    assert_eq!(code(&case, "us"), "nothing_to_do");
    case.placements.get_mut("issues").expect("placed").locations.clear();
    assert_eq!(code(&case, "eu"), "no_live_location");
    let issues = case.placements.remove("issues").expect("placed");
    assert_eq!(code(&case, "eu"), "not_adopted");
    case.placements.insert("gone".to_owned(), issues);
    assert_eq!(code(&case, "eu"), "unknown_service");
    let no_shard = PlanError::NoShard { service: String::new(), realm: String::new() };
    assert_eq!(no_shard.code(), "no_shard");
}

#[test]
fn a_rebalance_within_a_realm_moves_to_the_wider_shard_only() {
    let yaml = TOPOLOGY.replace(
        "      - { shard: issues-us, dataRegions: [us-east-1] }\n",
        "      - { shard: issues-us, dataRegions: [us-east-1] }
      - { shard: issues-us-2, dataRegions: [us-east-1], store: { dynamodb: { table: issues2, index: by-tenant, \
         indexKey: tenant_shard, shardCount: 10 } } }\n",
    );
    let mut case = Case::new(&yaml, &[("activity", "activity-us"), ("issues", "issues-us")]);
    case.load.insert(("issues".to_owned(), "issues-us".to_owned()), 1_000);
    assert_eq!(case.plan("us", "us").expect_err("stays").code(), "nothing_to_do", "load does not move anyone");
    case.place("activity", "activity-us");
    let plan = case.plan("us", "global").expect("a plan");
    assert_eq!(plan.services[1].to_shard, "issues-us");
    let mut widened = american();
    widened.place("activity", "activity-us");
    let plan = widened.plan("global", "global").expect("a wider shard fits");
    assert_eq!(plan.services[0].to_shard, "activity-global");
}

#[test]
fn a_shard_with_its_own_table_is_another_location_in_the_same_region() {
    let own = "store: { dynamodb: { table: heavy, index: by-tenant, indexKey: tenant_shard, shardCount: 10 } }";
    let yaml = TOPOLOGY.replace(
        "shard: issues-us, dataRegions: [us-east-1]",
        &format!("shard: issues-us, dataRegions: [us-east-1], {own}"),
    );
    let yaml = yaml + "      - { shard: issues-both, dataRegions: [us-east-1, eu-west-1] }\n";
    let yaml = yaml.replace("  issues:\n", "  issues:\n    replication: native\n");
    let case = Case::new(&yaml, &[("activity", "activity-us"), ("issues", "issues-us")]);
    let plan = case.plan("us", "global").expect("a plan");
    assert_eq!(sets(&plan.services[1]), "us-east-1,eu-west-1 /  / us-east-1/heavy");
}

#[test]
fn the_choice_goes_by_width_then_current_then_load_then_name() {
    let yaml = TOPOLOGY.replace(
        "      - { shard: issues-us, dataRegions: [us-east-1] }\n",
        "      - { shard: issues-us-b, dataRegions: [us-east-1] }
      - { shard: issues-us-a, dataRegions: [us-east-1] }
      - { shard: issues-us-c, dataRegions: [us-east-1] }\n",
    );
    let topology = Topology::parse(&yaml).expect("valid");
    let mut load = Load::new();
    let choose = |service: &str, realm: &str, current: Option<&str>, load: &Load| {
        choose_shard(&topology, service, realm, current, load).map(|shard| shard.shard.clone())
    };
    assert_eq!(choose("activity", "global", Some("activity-us"), &load).as_deref(), Some("activity-global"), "width");
    assert_eq!(choose("issues", "us", Some("issues-us-c"), &load).as_deref(), Some("issues-us-c"), "current");
    assert_eq!(choose("issues", "us", Some("issues-eu"), &load).as_deref(), Some("issues-us-a"), "name");
    load.insert(("issues".to_owned(), "issues-us-a".to_owned()), 5);
    load.insert(("issues".to_owned(), "issues-us-b".to_owned()), 2);
    load.insert(("issues".to_owned(), "issues-us-c".to_owned()), 3);
    assert_eq!(choose("issues", "us", None, &load).as_deref(), Some("issues-us-b"), "load");
    assert_eq!(
        choose("issues", "us", Some("issues-us-a"), &load).as_deref(),
        Some("issues-us-a"),
        "current before load"
    );
    assert_eq!(choose("issues", "mars", None, &load), None);
    assert_eq!(choose("nope", "us", None, &load), None);
}

#[test]
fn a_shard_count_that_grew_since_the_cell_was_written_is_used() {
    let mut case = american();
    case.topology = Topology::parse(&TOPOLOGY.replace("shardCount: 10", "shardCount: 16")).expect("valid");
    let plan = case.plan("us", "eu").expect("a plan");
    let count = |location: &Location| match location.address {
        Address::Dynamodb { shard_count, .. } => shard_count,
        Address::S3 { .. } | Address::Hooks { .. } => 0,
    };
    let issues = &plan.services[1];
    let all = issues.source.iter().chain(&issues.add).chain(&issues.remove);
    assert_eq!(all.map(count).collect::<Vec<_>>(), [16, 16, 16]);
}

#[test]
fn keep_is_what_the_ledger_stores() {
    let mut case = american();
    case.placements.get_mut("issues").expect("placed").locations[0].name = "as it was called then".to_owned();
    let plan = case.plan("us", "global").expect("a plan");
    assert_eq!(names(&plan.services[1].keep), ["as it was called then"]);
}

#[test]
fn the_stored_form_and_hash_of_a_plan() {
    // Plans wait in the catalogue for days: a change of either text needs thought.
    let plan = american().plan("us", "global").expect("a plan");
    let text = serde_json::to_string_pretty(&plan).expect("JSON");
    assert_eq!(text, include_str!("tests/plan.json").trim_end());
    let read: Plan = serde_json::from_str(&text).expect("reads back");
    assert_eq!(read, plan);
    assert_eq!(read.hash(), include_str!("tests/plan_hash.txt").trim_end());
}

#[test]
fn the_hash_covers_every_physical_difference() {
    let plan = american().plan("us", "global").expect("a plan");
    let changed = |change: fn(&mut Plan)| {
        let mut other = plan.clone();
        change(&mut other);
        other.hash() != plan.hash()
    };
    assert!(changed(|plan| plan.epoch += 1));
    assert!(changed(|plan| plan.tenant.push('x')));
    assert!(!changed(|plan| plan.topology_version.push('x')), "an edit of the topology is none of the plan");
    assert!(changed(|plan| plan.to.push('x')));
    assert!(changed(|plan| plan.services[0].to_shard.push('x')));
    assert!(changed(|plan| plan.services[0].from_shard = None));
    assert!(changed(|plan| plan.services[0].source = None));
    assert!(changed(|plan| plan.services[0].compare_keep ^= true));
    assert!(changed(|plan| {
        let service = &mut plan.services[0];
        std::mem::swap(&mut service.add, &mut service.remove);
    }));
    assert!(!changed(|plan| plan.not_adopted.push("x".to_owned())), "what is left alone");
    assert!(changed(|plan| plan.services[0].key_prefix = Some("acme/".to_owned())));
    assert!(!changed(|plan| plan.services[1].key_prefix = Some("acme/".to_owned())), "nothing changes in that service");
    assert!(!changed(|plan| plan.services[0].keep[0].name.push('x')), "how a place is called is not where it is");
}
