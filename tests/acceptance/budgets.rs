//! P1: an offline budget is kept, or the move turns back before it is spent; a window is kept, or the tenant is never offline.

use acceptance::failpoint_actions::{Interject, Target};
use acceptance::world::{many_parts, request};
use acceptance::{Clocked, Database};
use catalogue::tenants::TenantStatus;
use engine::failpoints::{Moment, NoFailpoints};
use workflows::actor::Actor;
use workflows::realm_move::{MoveRequest, MoveView, When, Window, reschedule_move, start_move};

on_both_databases!(a_budget_that_can_not_be_kept_turns_the_move_back_before_it_is_spent, budget_not_kept);
on_both_databases!(a_slow_move_within_its_budget_is_not_turned_back, budget_kept);
on_both_databases!(a_window_that_is_missed_leaves_the_tenant_online, window_missed);
on_both_databases!(a_tenant_is_not_offline_beyond_its_window, window_bounds_the_offline_time);
on_both_databases!(only_a_move_that_has_not_begun_is_rescheduled, rescheduled);

fn by() -> Actor {
    Actor::new("test", "")
}

async fn start(stage: &Clocked, request: MoveRequest) -> String {
    start_move(&stage.world.deployment, &request, &by()).await.expect("the move starts").id
}

fn code(view: &MoveView) -> Option<&str> {
    view.error.as_ref().map(|error| error.code.as_str())
}

/// Each of the fifteen copies takes ten seconds, and so does each read-back.
const SLOWLY: i64 = 10_000;

/// A stage on which a tenant's data is in fifteen parts.
async fn fifteen_parts(database: Database) -> Clocked {
    Clocked::with_topology(database, |yaml| many_parts(&yaml)).await
}

async fn budget_not_kept(database: Database) {
    let stage = fifteen_parts(database).await;
    let before = stage.world.holdings("us-east-1", "acme").await;
    let id = start(&stage, MoveRequest { budget_ms: Some(120_000), ..request("eu") }).await;
    let done = stage.run_to_the_end(&id, NoFailpoints, SLOWLY).await;
    assert_eq!((done.state.as_str(), code(&done)), ("rolled_back", Some("offline_budget")), "{done:?}");
    assert!(done.offline_ms < 120_000, "before the budget is spent: {done:?}");
    let words = &done.error.as_ref().expect("it says why").message;
    assert!(words.contains("of the 120 s allowed") && words.contains(" of 56 items at "), "{words}");
    assert_eq!(stage.world.holdings("us-east-1", "acme").await, before);
    assert!(stage.world.holdings("eu-west-1", "acme").await.is_empty());
    assert_eq!(stage.world.tenant().await.status, TenantStatus::Online);
}

async fn budget_kept(database: Database) {
    let stage = fifteen_parts(database).await;
    let id = start(&stage, MoveRequest { budget_ms: Some(290_000), ..request("eu") }).await;
    let projected = std::sync::Arc::new(std::sync::Mutex::new(None));
    let (world_view, seen) = (stage.world.deployment.store.clone(), std::sync::Arc::clone(&projected));
    let watched = id.clone();
    let look = Interject::new(Target::step("move", "verify", Moment::Before), move || {
        let (store, seen, id) = (world_view.clone(), std::sync::Arc::clone(&seen), watched.clone());
        async move {
            let mut tx = store.read().await.expect("a read begins");
            let view = workflows::realm_move::view_move(&mut tx, &id).await.expect("readable").expect("there");
            *seen.lock().expect("nobody panics with it") = view.projected_offline_ms.zip(view.offline_allowed_ms);
        }
    });
    let done = stage.run_to_the_end(&id, look, SLOWLY / 2).await;
    assert_eq!(done.state, "completed", "{done:?}");
    assert!(done.offline_ms > 100_000, "it was slow: {done:?}");
    let (projected, allowed) = projected.lock().expect("nobody panicked").expect("the view shows what is projected");
    assert_eq!(allowed, 290_000);
    assert!((50_000..290_000).contains(&projected), "{projected}");
    assert_eq!((done.projected_offline_ms, done.eta_ms), (None, None), "nothing is projected for what has ended");
}

/// Whatever delays a move while it is online, it does not go offline when too little of its window is left.
async fn window_missed(database: Database) {
    let stage = Clocked::new(database).await;
    let epoch = stage.world.tenant().await.epoch;
    for state in ["scheduled", "preflight", "waiting", "offline"] {
        let window = Window { from: stage.now() + 5_000, to: stage.now() + 60_000 };
        let id = start(&stage, MoveRequest { when: When { at: None, window: Some(window) }, ..request("eu") }).await;
        let clock = std::sync::Arc::clone(&stage.clock);
        let delay = Interject::new(Target::step("move", state, Moment::Observed), move || {
            let clock = std::sync::Arc::clone(&clock);
            // To where the window is still open, but not for long enough.
            async move { clock.advance(window.to - 30 - store::Clock::now(&*clock)) }
        });
        let done = stage.run_to_the_end(&id, delay.clone(), 1).await;
        assert!(delay.was_reached(), "{state}");
        assert_eq!((done.state.as_str(), code(&done)), ("failed", Some("window_missed")), "{state}: {done:?}");
        let tenant = stage.world.tenant().await;
        assert_eq!((tenant.status, tenant.epoch, tenant.active_move), (TenantStatus::Online, epoch, None), "{state}");
        assert!(stage.world.history(&id).await.iter().all(|(_, to, _)| to != "drain"), "{state}");
    }
}

async fn window_bounds_the_offline_time(database: Database) {
    let stage = fifteen_parts(database).await;
    let window = Window { from: stage.now(), to: stage.now() + 130_000 };
    let id = start(&stage, MoveRequest { when: When { at: None, window: Some(window) }, ..request("eu") }).await;
    let done = stage.run_to_the_end(&id, NoFailpoints, SLOWLY).await;
    assert_eq!((done.state.as_str(), code(&done)), ("rolled_back", Some("offline_budget")), "{done:?}");
    let words = &done.error.as_ref().expect("it says why").message;
    assert!(words.contains("before the window of the move ends at 2023-11-14 22:1"), "{words}");
    let history = stage.world.history(&id).await;
    assert_eq!(history.last().map(|(_, to, _)| to.as_str()), Some("rolled_back"));
    let ended: i64 = done.finished_at.as_deref().map(millis).expect("it has ended");
    assert!(ended <= window.to, "online again within its window");
}

fn millis(rfc3339: &str) -> i64 {
    // `T22:15:20.000Z` of the day on which the clock of these tests stands.
    let time = &rfc3339[11..19];
    let part = |at: usize| time[at..at + 2].parse::<i64>().expect("a number");
    let midnight = 1_700_000_000_000 - (22 * 3_600 + 13 * 60 + 20) * 1_000;
    midnight + (part(0) * 3_600 + part(3) * 60 + part(6)) * 1_000
}

async fn rescheduled(database: Database) {
    let stage = Clocked::new(database).await;
    let (deployment, now) = (&stage.world.deployment, stage.now());
    let later = When { at: Some(now + 3_600_000), window: None };
    let id = start(&stage, MoveRequest { when: later, ..request("eu") }).await;
    stage.tick_until_idle(&stage.runner(NoFailpoints)).await;
    assert_eq!(stage.world.stored_state(&id).await, "scheduled");
    let past = When { at: Some(now - 3_600_000), window: None };
    let refused = reschedule_move(deployment, &id, &past, &by()).await.expect_err("that time has passed");
    assert_eq!(refused.code(), "time_has_passed");
    let empty = When { at: None, window: Some(Window { from: now + 10, to: now + 20 }) };
    let refused = reschedule_move(deployment, &id, &empty, &by()).await.expect_err("nothing fits into it");
    assert_eq!(refused.code(), "invalid_window");
    let soon = When { at: None, window: Some(Window { from: now + 10_000, to: now + 600_000 }) };
    reschedule_move(deployment, &id, &soon, &by()).await.expect("it has not begun");
    stage.tick_until_idle(&stage.runner(NoFailpoints)).await;
    assert_eq!(stage.world.stored_state(&id).await, "scheduled", "not before its window");
    let done = stage.run_to_the_end(&id, NoFailpoints, 1).await;
    assert_eq!(done.state, "completed", "{done:?}");
    assert!(millis(&done.finished_at.expect("ended")) >= now + 10_000, "within its window");
    let refused = reschedule_move(deployment, &id, &soon, &by()).await.expect_err("it has ended");
    assert_eq!(refused.code(), "move_has_begun");
}
