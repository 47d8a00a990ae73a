//! Two people for one action: approved at the same moment by several, it is carried out once; a commit that is cut off leaves it waiting
//! or done, and nothing in between. And a change with an idempotency key is taken on once, by whichever process.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use acceptance::world::{TENANT, deploy, deploy_on, fresh_store, request};
use acceptance::{Database, World};
use catalogue::kept_answers;
use catalogue::kept_answers::{Answer, Found, Keyed};
use futures::future::join_all;
use store::{Admission, CommitFate, Faults, Store, StoreUrl};
use workflows::Deployment;
use workflows::actor::Actor;
use workflows::approval::{
    Action, Approval, ApprovalState, Asker, Content, Policy, approve, ask_if_needed, find_approval, set_policy_if,
};
use workflows::precondition::Precondition;
use workflows::realm_move::list_moves;

on_both_databases!(approved_by_many_at_once_it_is_carried_out_once, many_approve);
on_both_databases!(a_commit_that_is_cut_off_leaves_it_waiting_or_done, cut_off);
on_both_databases!(a_change_with_a_key_is_taken_on_once, taken_on_once);

fn asker<'a>(actor: &'a Actor, person: &'a str) -> Asker<'a> {
    Asker { actor, person: Some(person), token: None, keep: None }
}

async fn two_people_for_moves(deployment: &Deployment) {
    let policy = Policy { actions: [Action::Move].into(), valid_for_ms: 600_000 };
    let by = Actor::new("root", "");
    set_policy_if(deployment, &policy, &Precondition::Any, &by).await.expect("the policy is in force");
}

async fn asked(deployment: &Deployment) -> Approval {
    let content = Content::Move { request: request("eu"), paused: true, plan_hash: None };
    let by = Actor::new("sam", "contract");
    ask_if_needed(deployment, content, asker(&by, "sam")).await.expect("it is asked for").expect("it waits")
}

async fn moves(deployment: &Deployment) -> usize {
    let mut tx = deployment.store.read().await.expect("the store");
    list_moves(&mut tx, Some(TENANT), None, None, 10).await.expect("moves").len()
}

async fn state(deployment: &Deployment, id: &str) -> ApprovalState {
    let mut tx = deployment.store.read().await.expect("the store");
    find_approval(&mut tx, id).await.expect("the store").expect("it is there").state
}

async fn many_approve(database: Database) {
    let world = World::new(database).await;
    two_people_for_moves(&world.deployment).await;
    let approval = asked(&world.deployment).await;
    assert_eq!(moves(&world.deployment).await, 0);
    // Each has connections of its own, as another process has.
    let mut processes = Vec::new();
    for _ in 0..4 {
        processes.push(deploy(&world.store_url).await);
    }
    let names = ["ada", "bea", "cem", "dia"];
    let stored = &approval.stored;
    let approving = processes.iter().zip(names).map(async |(process, name)| {
        let by = Actor::new(name, "");
        approve(process, &stored.id, &stored.hash, asker(&by, name)).await.map(drop).map_err(|refusal| refusal.code())
    });
    let answers = join_all(approving).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
    assert!(answers.iter().flat_map(|answer| answer.err()).all(|code| code == "approval_not_pending"), "{answers:?}");
    assert_eq!(moves(&world.deployment).await, 1);
}

/// Lets commits fail as it is told, and then no more.
#[derive(Default)]
struct Fates(Mutex<VecDeque<CommitFate>>);

impl Fates {
    fn next_is(&self, fate: CommitFate) {
        self.0.lock().expect("nobody panics").push_back(fate);
    }
}

impl Faults for Fates {
    fn begin(&self) -> Admission {
        Box::pin(async { Some(Box::new(()) as store::Held) })
    }

    fn commit(&self) -> CommitFate {
        self.0.lock().expect("nobody panics").pop_front().unwrap_or(CommitFate::Made)
    }
}

async fn cut_off(database: Database) {
    let world = World::new(database).await;
    two_people_for_moves(&world.deployment).await;
    let fates = Arc::new(Fates::default());
    let url: StoreUrl = world.store_url.parse().expect("a URL");
    let store = Store::open(&url).await.expect("a store").with_faults(Arc::clone(&fates) as Arc<dyn Faults>);
    let cut = deploy_on(store);
    let ada = Actor::new("ada", "");
    let approving = async |approval: &Approval| {
        approve(&cut, &approval.stored.id, &approval.stored.hash, asker(&ada, "ada")).await.map(drop)
    };

    // Before it is kept: nothing waits, and asked for again it does.
    fates.next_is(CommitFate::NotMade);
    let content = Content::Move { request: request("eu"), paused: true, plan_hash: None };
    let sam = Actor::new("sam", "contract");
    let refused = ask_if_needed(&cut, content, asker(&sam, "sam")).await;
    assert_eq!(refused.map(drop).expect_err("it is cut off").code(), "catalogue_unavailable");
    let approval = asked(&cut).await;

    // Before the action: it goes on waiting.
    fates.next_is(CommitFate::NotMade);
    assert_eq!(approving(&approval).await.expect_err("it is cut off").code(), "catalogue_unavailable");
    assert_eq!((state(&cut, &approval.stored.id).await, moves(&cut).await), (ApprovalState::Pending, 0));

    // After the action: it is done, whatever was told.
    fates.next_is(CommitFate::ReplyLost);
    assert_eq!(approving(&approval).await.expect_err("its reply is lost").code(), "catalogue_unavailable");
    assert_eq!((state(&cut, &approval.stored.id).await, moves(&cut).await), (ApprovalState::Approved, 1));
    assert_eq!(approving(&approval).await.expect_err("it was approved").code(), "approval_not_pending");
    assert_eq!(moves(&cut).await, 1);
}

/// Requests at the same moment.
const AT_ONCE: usize = 6;

async fn taken_on_once(database: Database) {
    let (url, _folder) = fresh_store(database).await;
    let url: StoreUrl = url.parse().expect("a URL");
    let mut stores = Vec::new();
    for _ in 0..AT_ONCE {
        stores.push(Store::open(&url).await.expect("a store"));
    }
    let keyed = |round: usize| Keyed {
        caller: "sam".to_owned(),
        key: format!("key-{round}"),
        request: "POST /v1/pause".to_owned(),
        digest: "same".to_owned(),
    };
    let look = async |store: &Store, keyed: &Keyed, lapses_after: i64| {
        let mut tx = store.begin().await.expect("the store");
        let found = kept_answers::take_on(&mut tx, keyed, lapses_after).await.expect("an answer");
        tx.commit().await.expect("committed");
        found
    };
    for round in 0..20 {
        let keyed = keyed(round);
        let found = join_all(stores.iter().map(|store| look(store, &keyed, 60_000))).await;
        let ours: Vec<i64> =
            found.iter().filter_map(|found| if let Found::TakenOn(at) = found { Some(*at) } else { None }).collect();
        assert_eq!(ours.len(), 1, "{found:?}");
        assert!(found.iter().all(|found| matches!(found, Found::TakenOn(_) | Found::InProgress)), "{found:?}");

        // Lapsed, it is taken over by one after the other, and only the last one can keep an answer.
        let found = join_all(stores.iter().map(|store| look(store, &keyed, 0))).await;
        let last = found.iter().filter_map(|found| if let Found::TakenOn(at) = found { Some(*at) } else { None }).max();
        let last = last.expect("somebody took it over");
        let answer = Answer { status: 200, location: None, body: "{}".to_owned() };
        let mut tx = stores[0].begin().await.expect("the store");
        assert!(!kept_answers::keep(&mut tx, &keyed, ours[0], &answer).await.expect("the store"));
        assert!(kept_answers::keep(&mut tx, &keyed, last, &answer).await.expect("the store"));
        tx.commit().await.expect("committed");
        assert_eq!(look(&stores[1], &keyed, 0).await, Found::Answer(answer));
        let other = Keyed { digest: "other".to_owned(), ..keyed };
        assert!(matches!(look(&stores[2], &other, 0).await, Found::Other(request, _) if request == "POST /v1/pause"));
    }
}
