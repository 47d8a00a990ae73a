//! Campaigns: waves, an allowance of rolled-back moves, conflicts, windows, and crashes. No tenant is moved twice, none is forgotten.

use std::collections::BTreeMap;

use acceptance::child::run_until_killed;
use acceptance::failpoint_actions::{Injected, Injector, Interject, Target};
use acceptance::world::{TENANT, request};
use acceptance::{Clocked, Database, World};
use catalogue::tenants::{self, TenantStatus};
use engine::failpoints::{Failpoints, Moment, NoFailpoints};
use std::os::unix::process::ExitStatusExt;
use workflows::actor::Actor;
use workflows::campaign::{
    Allowance, CampaignOptions, CampaignRequest, CampaignView, MemberView, Tenants, cancel_campaign, create_campaign,
    dry_run_campaign, list_members, pause_campaign, resume_campaign, view_campaign,
};
use workflows::provision::{NewTenant, create_tenant};
use workflows::realm_move::{MoveRequest, MoveView, When, list_moves, start_move};

on_both_databases!(tenants_move_in_waves, waves);
on_both_databases!(retreats_halt_a_campaign_and_are_not_tried_again, retreats_halt);
on_both_databases!(a_paused_campaign_starts_nothing, paused);
on_both_databases!(a_cancelled_campaign_leaves_what_runs_or_turns_it_back, cancelled);
on_both_databases!(who_can_not_be_moved_is_skipped_with_the_reason, skipped);
on_both_databases!(killed_in_any_step_no_tenant_is_moved_twice_or_forgotten, killed);
on_both_databases!(moves_start_in_the_daily_window_only, daily_window);
on_both_databases!(a_realm_is_moved_as_it_was_when_the_campaign_was_created, of_realm);

fn by() -> Actor {
    Actor::new("test", "to test")
}

fn options() -> CampaignOptions {
    CampaignOptions {
        wave_size: 10,
        wave_pause_ms: 0,
        at_once: 2,
        max_failures: Allowance::Count(1),
        window: None,
        budget_ms: None,
        priority: engine::Priority::Normal,
    }
}

/// Tenants without data: all that a move waits for, and nothing to copy.
const TENANTS: [&str; 5] = ["t-1", "t-2", "t-3", "t-4", "t-5"];

async fn create_tenants(world: &World) {
    for id in TENANTS {
        let new = NewTenant {
            id: id.parse().expect("a tenant id"),
            host: format!("{id}.example").parse().expect("a host"),
            realm: "us".to_owned(),
        };
        create_tenant(&world.deployment, &new, &by()).await.expect("the tenant is created");
    }
}

async fn world(database: Database) -> World {
    let world = World::new(database).await;
    create_tenants(&world).await;
    world
}

fn campaign(tenants: &[&str], to: &str, options: CampaignOptions) -> CampaignRequest {
    let tenants = Tenants::Listed(tenants.iter().map(|id| (*id).to_owned()).collect());
    CampaignRequest { to: to.to_owned(), tenants, options, idempotency_key: None }
}

async fn create(world: &World, request: &CampaignRequest) -> String {
    create_campaign(&world.deployment, request, &by()).await.expect("the campaign is created").id
}

async fn view(world: &World, id: &str) -> CampaignView {
    let mut tx = world.deployment.store.read().await.expect("a read begins");
    let view = view_campaign(&mut tx, id).await.expect("readable").expect("the campaign exists");
    tx.rollback().await.expect("a read ends");
    view
}

async fn members(world: &World, id: &str) -> BTreeMap<String, MemberView> {
    let mut tx = world.deployment.store.read().await.expect("a read begins");
    let members = list_members(&mut tx, id, None, None, 1_000).await.expect("readable").expect("the campaign exists");
    tx.rollback().await.expect("a read ends");
    members.into_iter().map(|member| (member.tenant.clone(), member)).collect()
}

async fn moves_of(world: &World, tenant: &str) -> Vec<MoveView> {
    let mut tx = world.deployment.store.read().await.expect("a read begins");
    let moves = list_moves(&mut tx, Some(tenant), None, None, 100).await.expect("readable");
    tx.rollback().await.expect("a read ends");
    moves
}

async fn realm(world: &World, tenant: &str) -> (String, TenantStatus) {
    let mut tx = world.deployment.store.read().await.expect("a read begins");
    let found = tenants::get(&mut tx, tenant).await.expect("readable").expect("the tenant exists");
    tx.rollback().await.expect("a read ends");
    (found.realm, found.status)
}

async fn run_until_state(world: &World, id: &str, state: &str, failpoints: impl Failpoints) -> CampaignView {
    world
        .run_until(failpoints, || async { view(world, id).await.state == state && view(world, id).await.running == 0 })
        .await;
    view(world, id).await
}

async fn waves(database: Database) {
    let world = world(database).await;
    let options = CampaignOptions { wave_size: 2, wave_pause_ms: 50, ..options() };
    let id = create(&world, &campaign(&TENANTS, "eu", options)).await;
    let done = run_until_state(&world, &id, "completed", NoFailpoints).await;
    assert_eq!((done.total, done.done, done.wave), (5, 5, 3), "{done:?}");
    let mut spans = Vec::new();
    for tenant in TENANTS {
        assert_eq!(realm(&world, tenant).await, ("eu".to_owned(), TenantStatus::Online));
        let moves = moves_of(&world, tenant).await;
        assert_eq!(moves.len(), 1, "{moves:?}");
        assert_eq!(moves[0].campaign.as_deref(), Some(id.as_str()));
        spans.push((moves[0].started_at.clone(), moves[0].finished_at.clone().expect("ended")));
    }
    spans.sort();
    for wave in spans.chunks(2).collect::<Vec<_>>().windows(2) {
        let ended = wave[0].iter().map(|(_, ended)| ended).max();
        let began = wave[1].iter().map(|(began, _)| began).min();
        assert!(ended < began, "a wave begins when the one before has ended: {spans:?}");
    }
    let history = world.history(&id).await;
    assert_eq!(history.iter().filter(|(_, to, _)| to == "resting").count(), 2, "{history:?}");
    let again = create(&world, &campaign(&TENANTS, "eu", self::options())).await;
    let done = run_until_state(&world, &again, "completed", NoFailpoints).await;
    assert_eq!((done.skipped, done.failures), (5, 0), "there already: {done:?}");
}

async fn retreats_halt(database: Database) {
    let world = world(database).await;
    let options = CampaignOptions { at_once: 1, max_failures: Allowance::Count(2), ..options() };
    let id = create(&world, &campaign(&TENANTS, "eu", options)).await;
    // Two moves go offline and can't go on.
    let refuse = Injector::new(Target::step("move", "add_data", Moment::Before), Injected::FailForGood, 2);
    let halted = run_until_state(&world, &id, "halted", refuse.clone()).await;
    assert_eq!(refuse.struck(), 2);
    assert_eq!((halted.rolled_back, halted.failures, halted.waiting, halted.running), (2, 2, 3, 0), "{halted:?}");
    assert_eq!(halted.error.as_ref().map(|error| error.code.as_str()), Some("too_many_failures"));
    let told = members(&world, &id).await;
    assert_eq!((told["t-1"].state.as_str(), told["t-1"].code.as_deref()), ("rolled_back", Some("injected")));
    for tenant in ["t-1", "t-2"] {
        assert_eq!(realm(&world, tenant).await, ("us".to_owned(), TenantStatus::Online));
    }
    // It stays halted until somebody resumes it: one more failure is allowed then, and does not halt it.
    resume_campaign(&world.deployment, &id, &by()).await.expect("it is halted");
    let refuse = Injector::new(Target::step("move", "preflight", Moment::Before), Injected::FailForGood, 1);
    let done = run_until_state(&world, &id, "completed", refuse).await;
    assert_eq!((done.done, done.rolled_back, done.failed, done.failures), (2, 2, 1, 1), "{done:?}");
    for tenant in TENANTS {
        assert_eq!(moves_of(&world, tenant).await.len(), 1, "{tenant}: one attempt");
    }
}

async fn paused(database: Database) {
    let stage = Clocked::new(database).await;
    create_tenants(&stage.world).await;
    let (world, deployment) = (&stage.world, &stage.world.deployment);
    let id = create(world, &campaign(&TENANTS, "eu", options())).await;
    let runner = stage.runner(NoFailpoints);
    pause_campaign(deployment, &id, &by()).await.expect("it runs");
    pause_campaign(deployment, &id, &by()).await.expect("again changes nothing");
    for _ in 0..20 {
        stage.tick_until_idle(&runner).await;
        stage.clock.advance(10_000);
    }
    let held = view(world, &id).await;
    assert_eq!((held.state.as_str(), held.waiting, held.running), ("paused", 5, 0), "{held:?}");
    resume_campaign(deployment, &id, &by()).await.expect("it is paused");
    resume_campaign(deployment, &id, &by()).await.expect("again changes nothing");
    // Paused once more in the middle: those that run end, and nobody else begins.
    while view(world, &id).await.done == 0 {
        if !runner.tick().await.expect("the catalogue answers") {
            stage.clock.advance(100);
        }
    }
    pause_campaign(deployment, &id, &by()).await.expect("it runs");
    let started = 5 - view(world, &id).await.waiting;
    for _ in 0..200 {
        stage.tick_until_idle(&runner).await;
        stage.clock.advance(100);
    }
    let held = view(world, &id).await;
    assert_eq!((held.running, held.done, held.waiting), (0, started, 5 - started), "{held:?}");
    resume_campaign(deployment, &id, &by()).await.expect("it is paused");
    for _ in 0..1_000 {
        stage.tick_until_idle(&runner).await;
        stage.clock.advance(100);
    }
    let done = view(world, &id).await;
    assert_eq!((done.state.as_str(), done.done), ("completed", 5), "{done:?}");
    let refused = pause_campaign(deployment, &id, &by()).await.expect_err("it has ended");
    assert_eq!(refused.code(), "campaign_ended");
}

async fn cancelled(database: Database) {
    let world = world(database).await;
    for (to, also_running) in [("eu", false), ("global", true)] {
        let before = realm(&world, "t-1").await.0;
        let id = create(&world, &campaign(&TENANTS, to, CampaignOptions { at_once: 1, ..options() })).await;
        let (deployment, cancelled) = (world.deployment.clone(), id.clone());
        let cancel = Interject::new(Target::step("move", "drain", Moment::Before), move || {
            let (deployment, id) = (deployment.clone(), cancelled.clone());
            async move { cancel_campaign(&deployment, &id, also_running, &by()).await.expect("it runs") }
        });
        let ended = run_until_state(&world, &id, "cancelled", cancel.clone()).await;
        assert!(cancel.was_reached());
        let (done, turned_back) = if also_running { (0, 1) } else { (1, 0) };
        assert_eq!((ended.done, ended.cancelled), (done, 4 + turned_back), "{ended:?}");
        assert_eq!(ended.failures, 0, "what a person cancels is no failure");
        let expected = if also_running { before } else { to.to_owned() };
        assert_eq!(realm(&world, "t-1").await, (expected, TenantStatus::Online));
        assert_eq!(realm(&world, "t-5").await, ("us".to_owned(), TenantStatus::Online));
        cancel_campaign(&world.deployment, &id, true, &by()).await.expect("again changes nothing");
        let refused = resume_campaign(&world.deployment, &id, &by()).await.expect_err("it has ended");
        assert_eq!(refused.code(), "campaign_ended");
    }
}

async fn skipped(database: Database) {
    let world = world(database).await;
    let later = MoveRequest { when: When { at: Some(4_000_000_000_000), window: None }, ..request("eu") };
    let running = start_move(&world.deployment, &later, &by()).await.expect("the move is scheduled").id;
    let first = create(&world, &campaign(&["t-1"], "eu", options())).await;
    run_until_state(&world, &first, "completed", NoFailpoints).await;
    let request = campaign(&[TENANT, "t-1", "nobody", "t-2"], "eu", options());
    let plan = dry_run_campaign(&world.deployment, &request).await.expect("it can be planned");
    assert_eq!((plan.total, plan.moves, plan.need_offline), (4, 1, 1), "{plan:?}");
    assert!(plan.skipped[0].reason.contains(&running), "{plan:?}");
    let id = create(&world, &request).await;
    let done = run_until_state(&world, &id, "completed", NoFailpoints).await;
    assert_eq!((done.done, done.skipped, done.failures), (1, 3, 0), "{done:?}");
    let told = members(&world, &id).await;
    let code = |tenant: &str| told[tenant].code.clone().unwrap_or_default();
    assert_eq!(
        [TENANT, "t-1", "nobody"].map(code),
        ["move_in_progress", "nothing_to_do", "unknown_tenant"].map(str::to_owned)
    );
    for (tenant, skipped) in &told {
        if let Some(code) = &skipped.code {
            assert_eq!(plan.skipped_by_code[code], 1, "{tenant}: the dry run said so");
        }
    }
    assert_eq!(world.view(&running).await.state, "scheduled", "the other move is untouched");
}

async fn killed(database: Database) {
    let world = world(database).await;
    let pair = ["t-1", "t-2", "t-3"];
    let mut to = "eu";
    let mut moves = 0;
    for state in ["running", "resting", "cancelling"] {
        for moment in [Moment::Before, Moment::Observed, Moment::Written, Moment::Recorded] {
            let options = CampaignOptions { wave_size: 2, wave_pause_ms: 50, ..options() };
            let id = create(&world, &campaign(&pair, to, options)).await;
            if state == "cancelling" {
                cancel_campaign(&world.deployment, &id, false, &by()).await.expect("it runs");
            }
            let target = Target::step("campaign", state, moment);
            let status = run_until_killed(&world.store_url, &target, None, "kill_anywhere::child").await;
            assert_eq!(status.signal(), Some(9), "{target:?}: the child was not killed but ended with {status}");
            let end = if state == "cancelling" { "cancelled" } else { "completed" };
            let done = run_until_state(&world, &id, end, NoFailpoints).await;
            let expected = if state == "cancelling" { (0, 3) } else { (3, 0) };
            assert_eq!((done.done, done.cancelled), expected, "{target:?}: {done:?}");
            moves += u32::from(state != "cancelling");
            for tenant in pair {
                let all = moves_of(&world, tenant).await;
                assert_eq!(all.len(), moves as usize, "{target:?}: {tenant} was moved once");
            }
            if state != "cancelling" {
                assert_eq!(realm(&world, "t-3").await, (to.to_owned(), TenantStatus::Online), "{target:?}");
                to = if to == "eu" { "us" } else { "eu" };
            }
        }
    }
}

async fn daily_window(database: Database) {
    let stage = Clocked::new(database).await;
    create_tenants(&stage.world).await;
    let world = &stage.world;
    // It is 22:13:20.
    let window = Some("23:00-23:30".parse().expect("a daily window"));
    let id = create(world, &campaign(&["t-1", "t-2"], "eu", CampaignOptions { at_once: 1, window, ..options() })).await;
    let opens = stage.now() + (46 * 60 + 40) * 1_000;
    // The first move is held up until the window is over.
    let clock = std::sync::Arc::clone(&stage.clock);
    let held_up = Interject::new(Target::step("move", "preflight", Moment::Observed), move || {
        let clock = std::sync::Arc::clone(&clock);
        async move { clock.advance(31 * 60_000) }
    });
    let runner = stage.runner(held_up.clone());
    stage.tick_until_idle(&runner).await;
    let closed = view(world, &id).await;
    assert_eq!((closed.waiting, closed.running), (2, 0), "{closed:?}");
    assert_eq!(closed.waiting_for.as_deref(), Some("its window, from 2023-11-14 23:00:00 UTC"));
    stage.clock.advance(opens - stage.now());
    for _ in 0..20 {
        stage.tick_until_idle(&runner).await;
        stage.clock.advance(1_000);
    }
    assert!(held_up.was_reached());
    let missed = members(world, &id).await;
    let first = &missed["t-1"];
    assert_eq!((first.state.as_str(), first.code.as_deref(), first.attempts), ("waiting", Some("window_missed"), 1));
    assert_eq!(view(world, &id).await.failures, 0, "it was never offline, and has its attempt left");
    // The next day.
    stage.clock.advance(opens + 24 * 3_600_000 - stage.now());
    for _ in 0..1_000 {
        stage.tick_until_idle(&runner).await;
        stage.clock.advance(100);
    }
    let done = view(world, &id).await;
    assert_eq!((done.state.as_str(), done.done), ("completed", 2), "{done:?}");
    assert_eq!(members(world, &id).await["t-1"].attempts, 2);
    for tenant in ["t-1", "t-2"] {
        let last = moves_of(world, tenant).await.remove(0);
        let to = last.window.map(|window| window.to);
        assert_eq!(to.as_deref(), Some("2023-11-15T23:30:00.000Z"), "{tenant}");
    }
}

async fn of_realm(database: Database) {
    let world = world(database).await;
    let tenants = Tenants::OfRealm { realm: "us".to_owned(), limit: Some(4) };
    let key = Some("once".to_owned());
    let request = CampaignRequest { tenants, idempotency_key: key, ..campaign(&[], "eu", options()) };
    let id = create(&world, &request).await;
    assert_eq!(create(&world, &request).await, id, "the same request finds the first");
    let other = CampaignRequest { to: "global".to_owned(), ..request.clone() };
    let refused = create_campaign(&world.deployment, &other, &by()).await.expect_err("the key is taken");
    assert_eq!(refused.code(), "idempotency_key_reused");
    let told: Vec<String> = members(&world, &id).await.into_keys().collect();
    assert_eq!(told, ["acme", "acme-eu", "t-1", "t-2"], "in the order of their ids");
    let mars = CampaignRequest { to: "mars".to_owned(), idempotency_key: None, ..request };
    let refused = create_campaign(&world.deployment, &mars, &by()).await.expect_err("there is no such realm");
    assert_eq!(refused.code(), "unknown_realm");
}
