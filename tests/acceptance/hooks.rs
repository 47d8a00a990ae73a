//! Services with a store of their own take part in moves by hooks: their data is moved whole, what passes is waited for, a refusal
//! changes nothing, and a move that rolls back is rolled back there too. Judged by what the sample service holds and was asked.

mod creation;
mod killed;

use std::sync::Arc;
use std::time::Duration;

use acceptance::failpoint_actions::{Interject, Target};
use acceptance::world::{NEIGHBOUR, Seed, TENANT, deploy_timed, fresh_store, runner_of, wait_until};
use acceptance::{Database, World, timing};
use catalogue::ledger::EntryState;
use catalogue::tenants::TenantStatus;
use engine::failpoints::{Moment, NoFailpoints};
use testkit::hook_service::{Call, Fault, Pages};
use testkit::{HookService, RequestAge};
use tokio_util::sync::CancellationToken;
use workers::{CredentialsFrom, Movers, Settings};
use workflows::Deployment;
use workflows::actor::Actor;
use workflows::realm_move::{MoveView, cancel_move};
use workflows::removal::{Accepted, replay_removal};
use workflows::timing::Timing;

on_both_databases!(a_tenant_of_a_service_with_hooks_moves_whole_and_alone, moves_whole_and_alone);
on_both_databases!(failures_that_pass_are_waited_for, passing_failures);
on_both_databases!(a_refusal_leaves_the_tenant_untouched, refused);
on_both_databases!(a_secret_that_is_missing_leaves_the_tenant_untouched, without_a_secret);
on_both_databases!(counts_that_can_not_be_read_leave_the_tenant_untouched, unreadable_counts);
on_both_databases!(a_copy_that_fails_is_rolled_back_at_the_service, copy_fails);
on_both_databases!(a_lost_process_is_followed_by_one_that_asks, lost_while_polling);
on_both_databases!(a_start_that_arrives_after_the_rollback_is_refused, late_start);
on_both_databases!(what_a_gateway_may_still_pass_on_is_waited_for, behind_a_gateway);
on_both_databases!(what_was_written_late_is_not_removed_unseen, late_write);
on_both_databases!(a_commit_that_can_not_be_told_is_a_warning, commit_untold);
on_both_databases!(generations_grow_with_every_move, there_and_back);

/// How many pages the tenant has.
const PAGES: usize = 40;

/// A world whose only service is the sample service.
struct Hooked {
    world: World,
    service: Arc<HookService>,
    before: Pages,
}

impl Hooked {
    async fn new(database: Database) -> Self {
        Self::with_life(database, timing::short(), RequestAge::AWS.dynamodb).await
    }

    async fn with_life(database: Database, timing: Timing, age: Duration) -> Self {
        let service = Arc::new(HookService::start(age).expect("the service starts"));
        let (store_url, folder) = fresh_store(database).await;
        let deployment = deploy_timed(&store_url, timing).await;
        let only = |yaml: String| {
            let (head, _) = yaml.split_once("services:\n").expect("a topology has services");
            format!("{head}services:\n{}", service.in_topology("editor-service", &["us-east-1", "eu-west-1"]))
        };
        let nothing = Seed { issues: 0, activity: 0, media: 0 };
        let world = World::on(deployment, store_url, folder, (nothing, RequestAge::AWS), only).await;
        service.fill("us-east-1", TENANT, PAGES);
        service.fill("us-east-1", NEIGHBOUR, 5);
        service.fill("eu-west-1", NEIGHBOUR, 4);
        let before = service.pages("us-east-1", TENANT);
        Self { world, service, before }
    }

    /// All the tenant's data is at `home` and none at `away`, the ledger says so, and the neighbour is as it was.
    async fn is_at(&self, home: &str, away: &str) {
        assert_eq!(self.service.pages(home, TENANT), self.before);
        assert_eq!(self.service.pages(away, TENANT), Pages::new());
        for ((service, region), state) in self.world.entries().await {
            let expected = if region == home { EntryState::Live } else { EntryState::Absent };
            assert_eq!(state, expected, "{service} in {region}");
        }
        let neighbour = ["us-east-1", "eu-west-1"].map(|region| self.service.pages(region, NEIGHBOUR).len());
        assert_eq!(neighbour, [5, 4]);
        let tenant = self.world.tenant().await;
        assert_eq!((tenant.status, tenant.active_move), (TenantStatus::Online, None));
    }

    /// The move rolled back with this code, and everything is as it was.
    async fn went_back(&self, done: &MoveView, code: &str) {
        assert_eq!((done.state.as_str(), code_of(done)), ("rolled_back", Some(code)), "{done:?}");
        self.is_at("us-east-1", "eu-west-1").await;
    }
}

fn code_of(done: &MoveView) -> Option<&str> {
    done.error.as_ref().map(|error| error.code.as_str())
}

fn answered(calls: &[Call], status: u16) -> usize {
    calls.iter().filter(|call| call.status == status).count()
}

async fn moves_whole_and_alone(database: Database) {
    let hooked = Hooked::new(database).await;
    hooked.service.work_by(15);
    let done = hooked.world.run_move("eu", NoFailpoints).await;
    assert_eq!(done.state, "completed", "{done:?}");
    assert!(done.verified && done.warnings.is_empty(), "{done:?}");
    assert_eq!(done.copied.items, PAGES as u64);
    assert!(done.removals.iter().all(|removal| removal.state == "done") && done.removals.len() == 1, "{done:?}");
    hooked.is_at("eu-west-1", "us-east-1").await;
    let asked: Vec<_> = hooked.service.calls("schedule").into_iter().map(|call| call.region).collect();
    assert_eq!(asked, ["eu-west-1", "us-east-1"]);
    let committed = hooked.service.calls("commit");
    let about = (committed[0].region.as_str(), committed[0].generation, committed[0].status);
    assert_eq!((committed.len(), about), (1, ("eu-west-1", Some(1), 200)));
    assert_eq!(hooked.service.calls("rollback"), []);
}

/// Of each kind that passes, on every hook.
async fn passing_failures(database: Database) {
    let hooked = Hooked::new(database).await;
    let service = &hooked.service;
    service.work_by(10);
    for hook in ["schedule", "start", "commit", "remove", "verify", "status"] {
        service.next(hook, Fault::Cut, 1);
        service.next(hook, Fault::LoseAnswer, 1);
        service.next(hook, Fault::Status(502), 2);
        service.next(hook, Fault::Status(429), 1);
    }
    // More than the movers' own patience: the tasks are tried again.
    service.next("status", Fault::Status(504), 15);
    service.next("verify", Fault::Later, 3);
    let done = hooked.world.run_move("eu", NoFailpoints).await;
    assert_eq!((done.state.as_str(), done.warnings.len(), service.faults_left()), ("completed", 0, 0), "{done:?}");
    hooked.is_at("eu-west-1", "us-east-1").await;
}

async fn refused(database: Database) {
    let hooked = Hooked::new(database).await;
    hooked.service.next("schedule", Fault::Refuse("acme is under a legal hold until May".to_owned()), 1);
    let epoch = hooked.world.tenant().await.epoch;
    let done = hooked.world.run_move("eu", NoFailpoints).await;
    assert_eq!((done.state.as_str(), code_of(&done)), ("failed", Some("hook_refused")), "{done:?}");
    let said = done.error.as_ref().map(|error| error.message.clone()).unwrap_or_default();
    assert!(said.contains("acme is under a legal hold until May"), "{said}");
    untouched(&hooked, epoch).await;
}

/// In preflight, and not when the tenant is offline.
async fn unreadable_counts(database: Database) {
    let hooked = Hooked::new(database).await;
    hooked.service.next("verify", Fault::Nonsense, 1_000);
    let epoch = hooked.world.tenant().await.epoch;
    let done = hooked.world.run_move("eu", NoFailpoints).await;
    assert_eq!((done.state.as_str(), code_of(&done)), ("failed", Some("hook_bad_answer")), "{done:?}");
    let said = done.error.as_ref().map(|error| error.message.clone()).unwrap_or_default();
    assert!(said.contains("/verify") && said.contains("docs/hooks.md"), "{said}");
    untouched(&hooked, epoch).await;
}

async fn untouched(hooked: &Hooked, epoch: i64) {
    assert_eq!(hooked.world.tenant().await.epoch, epoch, "never offline");
    hooked.is_at("us-east-1", "eu-west-1").await;
    for hook in ["start", "commit", "rollback", "remove"] {
        assert_eq!(hooked.service.calls(hook), [], "{hook}");
    }
}

async fn without_a_secret(database: Database) {
    let hooked = Hooked::new(database).await;
    let credentials = CredentialsFrom::Fixed(testkit::region::credentials());
    let movers = Movers::new(credentials, Settings::default());
    let forgetful = Deployment { movers, ..hooked.world.deployment.clone() };
    let epoch = hooked.world.tenant().await.epoch;
    let id = hooked.world.start_move("eu").await;
    let stop = CancellationToken::new();
    let runner = runner_of(&forgetful);
    let ended = async {
        wait_until(|| hooked.world.has_ended(&id)).await;
        stop.cancel();
    };
    tokio::join!(runner.run(stop.clone()), ended);
    let done = hooked.world.view(&id).await;
    assert_eq!((done.state.as_str(), code_of(&done)), ("failed", Some("hook_secret_missing")), "{done:?}");
    untouched(&hooked, epoch).await;
}

async fn copy_fails(database: Database) {
    let hooked = Hooked::new(database).await;
    let service = &hooked.service;
    service.work_by(1);
    // Preflight asks twice for the source and once for the target; then one page is added before it breaks.
    service.next("start", Fault::LoseAnswer, 1);
    service.next("rollback", Fault::Status(500), 3);
    let id = hooked.world.start_move("eu").await;
    let added = || async { service.pages("eu-west-1", TENANT).len() > 2 };
    hooked.world.run_until(NoFailpoints, added).await;
    service.next("status", Fault::Break("the disk is full".to_owned()), 1);
    hooked.world.run_until(NoFailpoints, || hooked.world.has_ended(&id)).await;
    let done = hooked.world.view(&id).await;
    let said = done.error.as_ref().map(|error| error.message.clone()).unwrap_or_default();
    assert!(said.contains("the disk is full"), "{said}");
    hooked.went_back(&done, "hook_failed").await;
    let (rolled_back, removed) = (service.calls("rollback"), service.calls("remove"));
    assert_eq!((answered(&rolled_back, 200), answered(&removed, 200)), (1, 1), "{rolled_back:?} {removed:?}");
    assert_eq!((service.faults_left(), service.calls("commit").len()), (0, 0));
    assert!(done.removals.iter().all(|removal| removal.state == "done"), "{done:?}");
}

async fn lost_while_polling(database: Database) {
    let hooked = Hooked::new(database).await;
    let service = &hooked.service;
    service.work_by(1);
    let id = hooked.world.start_move("eu").await;
    let lost = deploy_timed(&hooked.world.store_url, timing::short()).await;
    let runner = runner_of(&lost);
    tokio::select! {
        () = runner.run(CancellationToken::new()) => unreachable!("nobody stops it"),
        () = wait_until(|| async { service.pages("eu-west-1", TENANT).len() > 3 }) => {}
    }
    assert!(service.pages("eu-west-1", TENANT).len() < PAGES, "in the middle");
    assert_eq!(hooked.world.view(&id).await.state, "add_data");
    service.work_by(20);
    hooked.world.run_until(NoFailpoints, || hooked.world.has_ended(&id)).await;
    assert_eq!(hooked.world.view(&id).await.state, "completed");
    hooked.is_at("eu-west-1", "us-east-1").await;
    assert_eq!(service.calls("start").len(), 1, "the other process asked and went on");
}

/// How long the service accepts a request here.
const LIFE: Duration = Duration::from_secs(3);

async fn late_start(database: Database) {
    let timing = Timing { signed_request_ttl_hooks: LIFE, ..timing::short() };
    let hooked = Hooked::with_life(database, timing.clone(), LIFE).await;
    let service = &hooked.service;
    service.next("start", Fault::Hold, 1);
    let id = hooked.world.start_move("eu").await;
    let lost = deploy_timed(&hooked.world.store_url, timing).await;
    let runner = runner_of(&lost);
    tokio::select! {
        () = runner.run(CancellationToken::new()) => unreachable!("nobody stops it"),
        () = wait_until(|| async { service.held() == 1 }) => {}
    }
    cancel_move(&hooked.world.deployment, &id, &Actor::realmctl("test")).await.expect("it is cancelled");
    let waits = || async {
        let removals = hooked.world.removals(&id).await;
        removals.iter().any(|removal| removal.waiting_for.as_deref().is_some_and(|what| what.contains(&lost.owner)))
    };
    hooked.world.run_until(NoFailpoints, waits).await;
    assert_eq!(service.calls("rollback"), [], "not before the lost process can ask for nothing more");
    hooked.world.run_until(NoFailpoints, || hooked.world.has_ended(&id)).await;
    hooked.went_back(&hooked.world.view(&id).await, "cancelled").await;
    assert_eq!(answered(&service.calls("rollback"), 200), 1);
    let (status, body) = service.release().remove(0);
    assert!(status == 401 && body.contains("request_too_old"), "{status} {body}");
    hooked.is_at("us-east-1", "eu-west-1").await;
}

async fn behind_a_gateway(database: Database) {
    let timing = Timing { signed_request_ttl_hooks: LIFE, ..timing::short() };
    let hooked = Hooked::with_life(database, timing, LIFE).await;
    hooked.service.next("start", Fault::Gateway(504), 1);
    let id = hooked.world.start_move("eu").await;
    let waits = || async {
        let view = hooked.world.view(&id).await;
        let waits = view.waiting_for.is_some_and(|what| what.contains("a request got no answer"));
        waits || hooked.world.has_ended(&id).await
    };
    hooked.world.run_until(NoFailpoints, waits).await;
    assert_eq!(hooked.world.view(&id).await.state, "add_data", "it waits");
    hooked.world.run_until(NoFailpoints, || hooked.world.has_ended(&id)).await;
    assert_eq!(hooked.world.view(&id).await.state, "completed");
    let (status, body) = hooked.service.release().remove(0);
    assert!(status == 401 && body.contains("request_too_old"), "{status} {body}");
    hooked.is_at("eu-west-1", "us-east-1").await;
}

async fn late_write(database: Database) {
    let mut hooked = Hooked::new(database).await;
    let service = Arc::clone(&hooked.service);
    let late = Interject::new(Target::step("removal", "waiting", Moment::Before), move || {
        service.write("us-east-1", TENANT, "late", "written by a request that began before");
        async {}
    });
    let id = hooked.world.run_move("eu", late).await.id;
    let removal = hooked.world.removals(&id).await.remove(0);
    let error = removal.error.expect("why");
    assert!(error.code == "late_writes" && error.message.contains("1 added"), "{error:?}");
    assert_eq!(hooked.service.pages("us-east-1", TENANT).len(), PAGES + 1, "nothing was deleted");
    hooked.service.write("eu-west-1", TENANT, "late", "written by a request that began before");
    hooked.before = hooked.service.pages("eu-west-1", TENANT);
    let by = Actor::realmctl("test");
    replay_removal(&hooked.world.deployment, &removal.id, Accepted::NOTHING, &by).await.expect("it looks again");
    hooked.world.run_until(NoFailpoints, || hooked.world.has_ended(&id)).await;
    hooked.is_at("eu-west-1", "us-east-1").await;
}

async fn commit_untold(database: Database) {
    let hooked = Hooked::new(database).await;
    hooked.service.next("commit", Fault::Status(500), 1_000);
    let done = hooked.world.run_move("eu", NoFailpoints).await;
    assert_eq!((done.state.as_str(), done.warnings.len()), ("completed", 1), "{done:?}");
    assert!(done.warnings[0].starts_with("editor-service at eu-west-1: hook_unavailable"), "{done:?}");
    hooked.is_at("eu-west-1", "us-east-1").await;
}

async fn there_and_back(database: Database) {
    let hooked = Hooked::new(database).await;
    for to in ["eu", "us", "eu"] {
        let done = hooked.world.run_move(to, NoFailpoints).await;
        assert_eq!(done.state, "completed", "{done:?}");
    }
    hooked.is_at("eu-west-1", "us-east-1").await;
    let started: Vec<_> =
        hooked.service.calls("start").into_iter().map(|call| (call.region, call.generation)).collect();
    let expected = [("eu-west-1", Some(1)), ("us-east-1", Some(2)), ("eu-west-1", Some(2))];
    assert_eq!(started, expected.map(|(region, generation)| (region.to_owned(), generation)));
}
