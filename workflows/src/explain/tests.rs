//! Case by case: what is told of a workflow, a task and a tenant.

use catalogue::capacity::Usage;
use catalogue::tenants::{Tenant, TenantStatus};
use engine::tables::pause_table::{Pause, PauseScope};
use engine::tables::runner_table::LiveRunner;
use engine::tables::status_queries::{TaskLease, WorkflowLease};
use engine::{Failing, StoredError, TaskRecord, TaskStatus, WorkflowRecord};
use serde_json::json;

use super::decide::explain;
use super::facts::{Facts, StageFacts, Waits};
use super::tenant;
use crate::capacity::Blocked;
use crate::realm_move::OfflinePeriod;

const NOW: i64 = 1_700_000_100_000;

/// A move that is due just now and that nobody has claimed.
fn a_move(state: &str) -> Facts {
    let record = WorkflowRecord {
        id: "m-1".to_owned(),
        kind: "move".to_owned(),
        subject: "acme".to_owned(),
        request: String::new(),
        state: state.to_owned(),
        data: String::new(),
        steps: 3,
        attempt: 0,
        error: None,
        failing: None,
        wake_at: Some(NOW),
        fence: 3,
        owner: None,
        priority: 1,
        keeps_offline: false,
        paused: false,
        created_at: NOW - 60_000,
        updated_at: NOW - 30_000,
        finished_at: None,
    };
    let standing =
        WorkflowLease { paused: 0, keeps_offline: false, lease_owner: None, lease_until: 0, entered_at: NOW - 30_000 };
    let stage = StageFacts::Move { to: "eu".to_owned(), window_ends: None, offline: None, waits: None, error: None };
    let ((tasks, runners), reaches_out) = (Default::default(), state == "preflight");
    Facts {
        record,
        standing,
        pause: None,
        tenant: None,
        stage,
        tasks,
        now: NOW,
        patience: 30_000,
        reaches_out,
        runners,
    }
}

fn a_removal(state: &str) -> Facts {
    let mut facts = a_move(state);
    facts.record.id = "r-1".to_owned();
    facts.record.kind = "removal".to_owned();
    facts.stage =
        StageFacts::Removal { place: "issue-service at us-east-1".to_owned(), waits: None, error: None, late: None };
    facts
}

fn waiting(waits: Waits) -> Facts {
    let mut facts = a_move("waiting");
    facts.record.wake_at = Some(NOW + 1_000);
    facts.stage =
        StageFacts::Move { to: "eu".to_owned(), window_ends: None, offline: None, waits: Some(waits), error: None };
    facts
}

fn error() -> StoredError {
    StoredError { code: "throttled".to_owned(), message: "the table is throttled".to_owned() }
}

/// The code and the text, and the commands.
fn told(facts: &Facts) -> (String, String, Vec<String>) {
    let about = explain(facts);
    (about.waits_for.code, about.waits_for.text, about.can_do)
}

#[test]
fn a_scheduled_move_waits_for_its_time() {
    let mut facts = a_move("scheduled");
    facts.record.wake_at = Some(NOW + 3_600_000);
    let about = explain(&facts);
    assert_eq!((about.waits_for.code.as_str(), about.since.as_str()), ("scheduled", "2023-11-14T22:14:30.000Z"));
    assert_eq!(about.waits_for.until.as_deref(), Some("2023-11-14T23:15:00.000Z"));
    assert_eq!(about.can_do, ["realmctl moves reschedule m-1 --at TIME", "realmctl moves cancel m-1"]);
    if let StageFacts::Move { window_ends, .. } = &mut facts.stage {
        *window_ends = Some(NOW + 7_200_000);
    }
    let text = explain(&facts).waits_for.text;
    assert_eq!(text, "its window, from 2023-11-14 23:15:00 UTC to 2023-11-15 00:15:00 UTC");
}

#[test]
fn a_paused_move_waits_for_whoever_paused_it() {
    let cases = [
        (PauseScope::All, "everything is paused", "realmctl resume --all"),
        (PauseScope::Tenant("acme".to_owned()), "tenant acme is paused", "realmctl tenants resume acme"),
        (PauseScope::Workflow("m-1".to_owned()), "it is paused", "realmctl moves resume m-1"),
    ];
    for (scope, what, command) in cases {
        let mut facts = a_move("preflight");
        facts.pause = Some(Pause { scope, at: NOW - 5_000, who: "ada".to_owned(), why: "incident 7".to_owned() });
        let (code, text, can_do) = told(&facts);
        assert_eq!(code, "paused");
        assert!(text.contains(what) && text.contains("by ada") && text.ends_with("incident 7"), "{text}");
        assert_eq!(can_do, [command, "realmctl moves cancel m-1"]);
    }
}

#[test]
fn a_move_without_room_names_the_limit_and_who_has_it() {
    let usage = Usage { used: 20, holders: 1, holder: Some("m-9".to_owned()), ..Usage::default() };
    let blocked = Blocked { scope: "region:eu-west-1".to_owned(), slots: 20, weight: 15, usage, since: NOW };
    let (code, text, can_do) = told(&waiting(Waits::Capacity(blocked.clone())));
    assert_eq!(code, "capacity");
    assert!(text.contains("region:eu-west-1 is 20") && text.contains("by m-9"), "{text}");
    assert_eq!(can_do[1], "realmctl limits set region:eu-west-1 N");
    let mut removal = a_removal("waiting");
    removal.stage = StageFacts::Removal {
        place: "issue-service at us-east-1".to_owned(),
        waits: Some(Waits::Capacity(blocked)),
        error: None,
        late: None,
    };
    assert_eq!(told(&removal).0, "capacity");
}

#[test]
fn a_busy_target_names_the_removal_and_what_that_waits_for() {
    let waits = Waits::Target {
        what: "issue-service at eu-west-1 to be empty: data is still being removed there".to_owned(),
        by: Some("r-1".to_owned()),
        which: Some("removal r-1 is failed and waits for a person: replay it".to_owned()),
    };
    let (code, text, can_do) = told(&waiting(waits));
    assert_eq!(code, "target_busy");
    assert!(text.starts_with("issue-service at eu-west-1 to be empty") && text.contains("r-1 is failed"), "{text}");
    assert_eq!(can_do[0], "realmctl explain r-1");
}

#[test]
fn what_nobody_claims_asks_whether_anybody_is_there() {
    let mut facts = a_move("preflight");
    facts.record.wake_at = Some(NOW - 2_000);
    let (code, text, can_do) = told(&facts);
    assert_eq!((code.as_str(), text.as_str()), ("unclaimed", "a process to claim it, for 2 s"));
    assert_eq!(can_do, ["realmctl moves cancel m-1"], "nobody need start a worker for that");
    facts.record.wake_at = Some(NOW - 90_000);
    let (_, text, can_do) = told(&facts);
    assert_eq!(text, "a process to claim it, for 90 s. Is a server or worker running?");
    assert_eq!(can_do[..2], ["realmctl workers list", "realmctl worker --store URL"]);
}

/// A process that is there; unfit ones run no tasks.
fn runner(owner: &str, unfit: Option<&str>) -> LiveRunner {
    let kinds: &[&str] = if unfit.is_some() { &[] } else { &["copy", "verify"] };
    let task_kinds = kinds.iter().map(|kind| (*kind).to_owned()).collect();
    LiveRunner { owner: owner.to_owned(), task_kinds, unfit: unfit.map(str::to_owned) }
}

#[test]
fn who_can_t_claim_it_for_want_of_something_is_named_while_nobody_else_is_there() {
    let mut facts = a_move("preflight");
    facts.record.wake_at = Some(NOW - 7_000);
    facts.runners = vec![runner("host/7", Some("no AWS credentials were found: name a profile"))];
    let (code, text, can_do) = told(&facts);
    assert_eq!(code, "no_worker");
    assert_eq!(
        text,
        "a process that can run it, for 7 s: host/7 takes no data work: no AWS credentials were found: name a profile"
    );
    assert_eq!(can_do, ["realmctl workers list", "realmctl moves cancel m-1"], "another would lack the same");
    facts.reaches_out = false;
    assert_eq!(told(&facts).0, "unclaimed", "it takes what reaches no store");
    facts.reaches_out = true;
    facts.runners.push(runner("host/8", None));
    assert_eq!(told(&facts).0, "unclaimed", "another takes it");
}

#[test]
fn tasks_that_only_unfit_processes_could_take_say_so() {
    let mut facts = a_move("add_data");
    facts.record.wake_at = Some(NOW + 30_000);
    facts.tasks = vec![task(TaskStatus::Open, None, 0, None)];
    facts.runners = vec![runner("host/7", Some("no files: raise its limit"))];
    let (code, text, _) = told(&facts);
    assert_eq!(code, "tasks");
    let wanted =
        "0 of 1 done, 1 waiting for a process that can run it; host/7 takes no data work: no files: raise its limit";
    assert!(text.ends_with(wanted), "{text}");
    facts.runners.push(runner("host/8", None));
    assert!(told(&facts).1.ends_with("1 waiting to be claimed"), "{facts:?}");
}

#[test]
fn a_claim_names_its_holder_and_its_end() {
    let mut facts = a_move("preflight");
    facts.standing.lease_owner = Some("host/7".to_owned());
    facts.standing.lease_until = NOW + 20_000;
    let about = explain(&facts);
    assert_eq!((about.waits_for.code.as_str(), about.holder.map(|holder| holder.alive)), ("at_work", Some(true)));
    facts.standing.lease_until = NOW - 40_000;
    let about = explain(&facts);
    assert_eq!(about.waits_for.code, "lease_expired");
    assert!(about.waits_for.text.contains("host/7 ran out 40 s ago"), "{}", about.waits_for.text);
    assert_eq!(about.holder.map(|holder| holder.alive), Some(false));
    // Given back in good order: nobody has it.
    facts.standing.lease_until = 0;
    let about = explain(&facts);
    assert_eq!((about.waits_for.code.as_str(), about.holder), ("unclaimed", None));
}

#[test]
fn a_retry_tells_its_error_and_how_many_are_left() {
    let mut facts = a_move("preflight");
    facts.record.attempt = 2;
    facts.record.error = Some(error());
    facts.record.wake_at = Some(NOW + 8_000);
    let (code, text, can_do) = told(&facts);
    assert_eq!(code, "retry");
    assert_eq!(text, "its next attempt, 2 failed of 6: the table is throttled (throttled)");
    assert_eq!(can_do, ["realmctl moves retry m-1", "realmctl moves cancel m-1"]);
    facts.record.state = "re_online".to_owned();
    assert!(told(&facts).1.starts_with("its next attempt, 2 failed: "), "the only endless retry");
}

#[test]
fn a_drain_says_until_when() {
    let mut facts = waiting(Waits::Drain(NOW + 60_000));
    facts.record.state = "drain".to_owned();
    let about = explain(&facts);
    assert_eq!(about.waits_for.code, "drain");
    assert_eq!(about.waits_for.until.as_deref(), Some("2023-11-14T22:16:00.000Z"));
}

#[test]
fn clocks_that_differ_are_told_from_other_waits() {
    let reason = "clocks to agree: the database's is ahead".to_owned();
    for waits in [Waits::InDoubt(reason.clone()), Waits::Reason(reason.clone())] {
        let (code, text, can_do) = told(&waiting(waits));
        assert_eq!((code.as_str(), text.as_str()), ("clock_skew", reason.as_str()));
        assert!(can_do[0].ends_with("s retry m-1"), "{can_do:?}");
    }
}

#[test]
fn an_unquiet_location_says_whose_requests_are_waited_for() {
    let (code, text, _) = told(&waiting(Waits::InDoubt("requests of host/7, which was lost".to_owned())));
    assert_eq!((code.as_str(), text.as_str()), ("in_doubt", "requests of host/7, which was lost"));
}

#[test]
fn open_tasks_are_counted_and_told_one_by_one() {
    let mut facts = a_move("add_data");
    facts.record.wake_at = Some(NOW + 30_000);
    facts.tasks = vec![
        task(TaskStatus::Done, None, 0, None),
        task(TaskStatus::Open, Some("host/7"), NOW + 9_000, None),
        task(TaskStatus::Open, Some("host/8"), NOW - 9_000, None),
        task(TaskStatus::Open, None, 0, Some(error())),
        task(TaskStatus::Open, None, 0, None),
    ];
    let about = explain(&facts);
    let wanted = "its data tasks: 1 of 5 done, 1 at work, 1 waiting for their next attempt, 1 waiting to be claimed, 1 whose \
                  holder is lost; attempts fail since ";
    assert_eq!(about.waits_for.code, "tasks");
    let text = &about.waits_for.text;
    assert!(text.starts_with(wanted) && text.ends_with(": the table is throttled (throttled)"), "{text}");
    let codes: Vec<_> =
        about.tasks.iter().map(|task| task.waits_for.as_ref().map(|waits| waits.code.as_str())).collect();
    assert_eq!(codes, [None, Some("at_work"), Some("lease_expired"), Some("retry"), Some("unclaimed")]);
    let retry = about.tasks[3].waits_for.as_ref().expect("it waits");
    assert!(retry.text.contains("3 of 8 failed since 2023-") && retry.until.is_some(), "{retry:?}");
}

#[test]
fn a_removal_whose_tasks_only_fail_waits_for_their_retry_and_says_since_when_and_why() {
    let mut facts = a_removal("removing");
    facts.record.wake_at = Some(NOW + 1_000);
    let (mut failing, standing) = task(TaskStatus::Open, None, 0, Some(error()));
    failing.kind = "remove".to_owned();
    facts.tasks = vec![(failing, standing)];
    let (code, text, can_do) = told(&facts);
    assert_eq!((code.as_str(), can_do), ("retry", vec!["realmctl removals retry r-1".to_owned()]));
    let why = "1 waiting for their next attempt; attempts fail since 2023-11-14 22:14:00 UTC: the table is throttled (throttled)";
    assert!(text.ends_with(why), "{text}");
    let retry = explain(&facts).tasks[0].waits_for.clone().expect("it waits");
    assert!(retry.text.starts_with("its next attempt, 3 failed since "), "it has no last attempt: {}", retry.text);
}

#[test]
fn what_a_task_ran_into_is_told_while_it_is_at_work_again() {
    let mut facts = a_move("add_data");
    facts.record.wake_at = Some(NOW + 30_000);
    facts.tasks = vec![task(TaskStatus::Open, Some("host/7"), NOW + 9_000, Some(error()))];
    let about = explain(&facts);
    let waits = about.tasks[0].waits_for.as_ref().expect("it waits");
    assert_eq!(waits.code, "at_work");
    assert!(waits.text.contains("at work on it; 3 of 8 failed since "), "{waits:?}");
    assert!(about.waits_for.text.ends_with("the table is throttled (throttled)"), "{:?}", about.waits_for);
}

fn task(
    status: TaskStatus,
    owner: Option<&str>,
    lease_until: i64,
    error: Option<StoredError>,
) -> (TaskRecord, TaskLease) {
    let wake_at = if error.is_some() { NOW + 4_000 } else { NOW - 10_000 };
    let record = TaskRecord {
        id: "t".to_owned(),
        workflow_id: "m-1".to_owned(),
        kind: "copy".to_owned(),
        target: "dynamodb|aws:eu-west-1|issues".to_owned(),
        input: json!({}),
        status,
        checkpoint: None,
        progress: json!({}),
        result: None,
        attempt: if error.is_some() { 3 } else { 0 },
        failing: error.is_some().then_some(Failing { since: NOW - 60_000, at: NOW - 4_000 }),
        error,
        fence: 1,
        keeps_offline: true,
    };
    let standing = TaskLease {
        id: "t".to_owned(),
        wake_at: (status == TaskStatus::Open).then_some(wake_at),
        paused: false,
        lease_owner: owner.map(str::to_owned),
        lease_until,
        updated_at: NOW - 1_000,
    };
    (record, standing)
}

#[test]
fn another_versions_state_waits_for_that_version() {
    let mut facts = a_move("teleporting");
    facts.stage = StageFacts::Unreadable("unknown variant `teleporting`".to_owned());
    let (code, text, can_do) = told(&facts);
    assert_eq!(code, "unreadable_state");
    assert!(text.contains("teleporting"), "{text}");
    assert_eq!(can_do, ["realmctl moves cancel m-1"]);
}

fn acme(status: TenantStatus, lease_until: Option<i64>) -> Tenant {
    Tenant {
        id: "acme".to_owned(),
        host: Some("acme.example".to_owned()),
        realm: "us".to_owned(),
        created_in: "us".to_owned(),
        status,
        epoch: 12,
        active_move: Some("m-1".to_owned()),
        lease_until,
        created_at: 0,
    }
}

#[test]
fn a_lapsed_tenant_comes_before_all_else() {
    let mut facts = a_move("add_data");
    let offline = OfflinePeriod { epoch: 12, since: NOW - 300_000, deadline: NOW + 300_000 };
    facts.stage =
        StageFacts::Move { to: "eu".to_owned(), window_ends: None, offline: Some(offline), waits: None, error: None };
    facts.tenant = Some(acme(TenantStatus::Moving, Some(NOW - 7_000)));
    facts.standing.lease_owner = Some("host/7".to_owned());
    facts.standing.lease_until = NOW + 5_000;
    let (code, text, can_do) = told(&facts);
    assert_eq!(code, "lapsed");
    assert!(text.contains("lapsed 7 s ago"), "{text}");
    assert_eq!(can_do, ["realmctl workers list", "realmctl worker --store URL", "realmctl moves cancel m-1"]);
}

#[test]
fn what_has_ended_says_what_to_do_next() {
    let ended = |mut facts: Facts| {
        facts.record.wake_at = None;
        told(&facts)
    };
    assert_eq!(ended(a_removal("failed")).2, ["realmctl removals replay r-1"]);
    let mut late = a_removal("failed");
    let error = StoredError { code: "late_writes".to_owned(), message: "3 keys differ".to_owned() };
    late.record.wake_at = None;
    late.stage = StageFacts::Removal {
        place: "issue-service at us-east-1".to_owned(),
        waits: None,
        error: Some(error.clone()),
        late: Some("0123456789abcdef".to_owned()),
    };
    assert_eq!(
        told(&late).2,
        [
            "realmctl removals show r-1 --keys FILE",
            "realmctl removals replay r-1",
            "realmctl removals replay r-1 --accept-late-writes 0123456789abcdef"
        ]
    );
    assert_eq!(explain(&late).last_error, Some(error));
    assert_eq!(ended(a_move("failed")).2, ["realmctl move acme --to eu"]);
    assert_eq!(ended(a_move("rolled_back")).2, ["realmctl move acme --to eu"]);
    let (code, _, can_do) = ended(a_move("completed"));
    assert_eq!((code.as_str(), can_do), ("ended", Vec::new()));
}

#[test]
fn a_recheck_names_its_service_and_place() {
    let mut facts = a_removal("waiting");
    facts.record.kind = "recheck".to_owned();
    facts.stage = StageFacts::Recheck { place: "issue-service at us-east-1".to_owned() };
    assert_eq!(explain(&facts).place.as_deref(), Some("issue-service at us-east-1"));
}

#[test]
fn a_tenant_tells_whether_it_serves_and_what_its_move_waits_for() {
    let explained = explain(&waiting(Waits::Drain(NOW + 60_000)));
    let about = |tenant: Tenant, workflows| tenant::explain(tenant, workflows, true, NOW);
    let moving = about(acme(TenantStatus::Moving, Some(NOW + 60_000)), vec![explained.clone(), explained.clone()]);
    assert_eq!(moving.waits_for.code, "moving");
    assert!(moving.waits_for.text.contains("m-1, which waits for earlier requests"), "{}", moving.waits_for.text);
    assert_eq!(moving.can_do, ["realmctl moves cancel m-1", "realmctl tenants resume acme"], "each command once");
    let lapsed = about(acme(TenantStatus::Moving, Some(NOW - 1)), Vec::new());
    assert_eq!(lapsed.waits_for.code, "lapsed");
    let online = about(acme(TenantStatus::Online, None), vec![explained]);
    assert!(
        online.waits_for.text.starts_with("nothing: it is online. Move m-1 waits for"),
        "{}",
        online.waits_for.text
    );
}
