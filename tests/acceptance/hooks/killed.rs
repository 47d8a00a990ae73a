//! `kill -9` in each task of a service with hooks.

use std::os::unix::process::ExitStatusExt;

use acceptance::Database;
use acceptance::child::{run_if_child, run_until_killed};
use acceptance::failpoint_actions::Target;
use engine::failpoints::{Moment, NoFailpoints};

use super::Hooked;

on_both_databases!(killed_in_every_task_of_a_service_with_hooks, killed_in_every_task);

/// Not a test of its own: the entry of the child process that is killed. Without options it ends at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    run_if_child().await;
}

/// Back and forth, each time with a process that is killed on the way.
async fn killed_in_every_task(database: Database) {
    let hooked = Hooked::new(database).await;
    hooked.service.work_by(15);
    let points = [
        ("copy", Moment::Written),
        ("copy", Moment::Recorded),
        ("verify", Moment::Before),
        ("verify", Moment::Recorded),
        ("compare", Moment::Before),
        ("compare", Moment::Recorded),
        ("remove", Moment::Written),
        ("remove", Moment::Recorded),
    ];
    let ways = [("eu", "eu-west-1", "us-east-1"), ("us", "us-east-1", "eu-west-1")];
    for ((kind, moment), (to, home, away)) in points.into_iter().zip(ways.into_iter().cycle()) {
        let id = hooked.world.start_move(to).await;
        let target = Target::task(kind, moment);
        let status = run_until_killed(&hooked.world.store_url, &target, None, "hooks::killed::child").await;
        assert_eq!(status.signal(), Some(9), "{target:?}: the child was not killed but ended with {status}");
        hooked.world.run_until(NoFailpoints, || hooked.world.has_ended(&id)).await;
        assert_eq!(hooked.world.view(&id).await.state, "completed", "{target:?}");
        hooked.is_at(home, away).await;
    }
    assert_eq!(hooked.service.calls("start").len(), points.len(), "asked for once in each move");
}
