use super::*;

const US: &str = "us-east-1";
const EU: &str = "eu-west-1";
const AP: &str = "ap-south-1";

fn table(region: &str, table: &str) -> Location {
    let address = Address::Dynamodb {
        endpoint: None,
        table: table.to_owned(),
        index: "by-tenant".to_owned(),
        index_key: "tenant_shard".to_owned(),
        shard_count: 4,
    };
    Location { name: format!("{region}/{table}"), region: region.to_owned(), address, table_id: None }
}

fn bucket(region: &str) -> Location {
    let address = Address::S3 { endpoint: None, bucket: format!("media-{region}"), prefix: "acme/".to_owned() };
    Location { name: region.to_owned(), region: region.to_owned(), address, table_id: None }
}

fn plan(add: &[Location], keep: &[Location], remove: &[Location]) -> ServicePlan {
    ServicePlan {
        service: "profiles".to_owned(),
        from_shard: None,
        to_shard: "wide".to_owned(),
        add: add.to_vec(),
        keep: keep.to_vec(),
        remove: remove.to_vec(),
        order: keep.iter().chain(add).map(Location::key).collect(),
        source: remove.first().cloned(),
        compare_keep: false,
        stays_out_of_realm: false,
        key_prefix: None,
    }
}

/// Judges a plan whose locations' stores replicate to these.
fn judge(plan: &ServicePlan, links: &[(&Location, &[&str])], native: bool) -> Result<ReplicaSets, Harmful> {
    let links_of = |at: &Location| -> Vec<String> {
        let found = links.iter().find(|(known, _)| known.key() == at.key());
        found.map(|(_, to)| to.iter().map(|link| (*link).to_owned()).collect()).unwrap_or_default()
    };
    let all: Vec<(&Location, Vec<String>)> =
        plan.keep.iter().chain(&plan.add).chain(&plan.remove).map(|at| (at, links_of(at))).collect();
    let all: Vec<Linked<'_>> = all.iter().map(|(at, links)| (*at, links.as_slice())).collect();
    ReplicaSets::of(plan, &all, native)
}

fn pairs(members: &[Member]) -> Vec<(&str, &str)> {
    members.iter().map(|member| (member.at.as_str(), member.by.as_str())).collect()
}

#[test]
fn a_set_that_is_entered_is_written_once_in_the_order_of_the_shard() {
    let (old, eu, ap, us) = (table(US, "single"), table(EU, "wide"), table(AP, "wide"), table(US, "wide"));
    let plan = plan(&[eu.clone(), ap.clone(), us.clone()], &[], &[old]);
    let links: [(&Location, &[&str]); 3] = [(&eu, &[AP, US]), (&ap, &[EU, US]), (&us, &[EU, AP])];
    let sets = judge(&plan, &links, true).expect("no link leads out");
    assert_eq!(pairs(&sets.filled), [(ap.key().as_str(), eu.key().as_str()), (us.key().as_str(), eu.key().as_str())]);
    assert!(sets.emptied.is_empty());
    assert_eq!(sets.filled_by("profiles", &ap.key()), Some(eu.key().as_str()));
    assert_eq!(sets.filled_by("profiles", &eu.key()), None);
    assert_eq!(sets.filled_by("other", &ap.key()), None);
}

#[test]
fn a_set_that_is_left_is_emptied_once_if_it_is_of_tables() {
    let (target, eu, ap) = (table(US, "single"), table(EU, "wide"), table(AP, "wide"));
    let left = plan(&[target], &[], &[eu.clone(), ap.clone()]);
    let sets = judge(&left, &[(&eu, &[AP]), (&ap, &[EU])], true).expect("both are left");
    assert_eq!(pairs(&sets.emptied), [(ap.key().as_str(), eu.key().as_str())]);

    let [target, eu, ap] = [US, EU, AP].map(bucket);
    let left = plan(&[target], &[], &[eu.clone(), ap.clone()]);
    let sets = judge(&left, &[(&eu, &["media-ap-south-1"]), (&ap, &["media-eu-west-1"])], true).expect("both are left");
    assert!(sets.is_empty(), "each bucket is emptied by itself: {sets:?}");
}

#[test]
fn going_between_two_sets_that_share_a_region_crosses_nothing() {
    let [us, eu] = [US, EU].map(|region| table(region, "atlantic"));
    let [eu_2, ap] = [EU, AP].map(|region| table(region, "eurasia"));
    let between = plan(&[eu_2.clone(), ap.clone()], &[], &[us.clone(), eu.clone()]);
    let links: [(&Location, &[&str]); 4] = [(&us, &[EU]), (&eu, &[US]), (&eu_2, &[AP]), (&ap, &[EU])];
    let sets = judge(&between, &links, true).expect("the tables are not the same");
    assert_eq!(pairs(&sets.filled), [(ap.key().as_str(), eu_2.key().as_str())]);
    assert_eq!(pairs(&sets.emptied), [(eu.key().as_str(), us.key().as_str())]);
}

#[test]
fn a_link_between_what_is_removed_added_or_kept_is_refused_in_either_direction() {
    let [us, eu] = [US, EU].map(|region| table(region, "wide"));
    let cases = [
        plan(&[], std::slice::from_ref(&us), std::slice::from_ref(&eu)),
        plan(std::slice::from_ref(&eu), std::slice::from_ref(&us), &[]),
        plan(std::slice::from_ref(&us), &[], std::slice::from_ref(&eu)),
    ];
    for case in cases {
        for links in [[(&us, &[EU][..]), (&eu, &[][..])], [(&us, &[][..]), (&eu, &[US][..])]] {
            let refused = judge(&case, &links, false).expect_err("it crosses");
            assert_eq!(refused.code(), "replicated_store");
            assert!(matches!(refused, Harmful::Crosses { .. }), "{refused}");
        }
    }
}

#[test]
fn a_link_out_of_the_new_shard_is_refused_and_one_out_of_what_is_left_is_not() {
    let (us, eu) = (table(US, "single"), table(EU, "wide"));
    let enter = plan(std::slice::from_ref(&eu), &[], std::slice::from_ref(&us));
    let refused = judge(&enter, &[(&eu, &[AP])], false).expect_err("data would rest in ap-south-1");
    assert_eq!(refused, Harmful::LeadsOut { from: "eu-west-1/wide".to_owned(), to: AP.to_owned() });
    // The same region, another table: not the location that the plan knows there.
    let refused =
        judge(&enter, &[(&eu, &[US])], false).expect_err("table wide in us-east-1 is no location of the shard");
    assert!(matches!(refused, Harmful::LeadsOut { .. }), "{refused}");
    let leave = plan(std::slice::from_ref(&us), &[], std::slice::from_ref(&eu));
    assert_eq!(judge(&leave, &[(&eu, &[AP])], false), Ok(ReplicaSets::default()));
}

#[test]
fn a_native_shard_whose_stores_are_not_linked_is_refused() {
    let (old, eu, ap) = (table(US, "single"), table(EU, "wide"), table(AP, "wide"));
    let enter = plan(&[eu.clone(), ap.clone()], &[], &[old]);
    assert_eq!(judge(&enter, &[], true).expect_err("nothing brings it there").code(), "not_replicated");
    assert_eq!(judge(&enter, &[], false), Ok(ReplicaSets::default()), "each is copied to");
}

#[test]
fn what_a_replica_receives_is_not_replicated_further() {
    let [us, eu, ap] = [US, EU, AP].map(bucket);
    let enter = plan(&[us.clone(), eu.clone(), ap.clone()], &[], &[]);
    let chain = [(&us, &["media-eu-west-1"][..]), (&eu, &["media-ap-south-1"][..])];
    let sets = judge(&enter, &chain, false).expect("all are added");
    assert_eq!(pairs(&sets.filled), [(eu.key().as_str(), us.key().as_str())], "ap is copied to directly");
}
