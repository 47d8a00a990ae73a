//! A runner in a process of its own, which kills itself at a chosen point. The child is this same test binary, started
//! again with a variable that makes one test the child's main function.

use std::process::{Command, ExitStatus, Stdio};

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use workflows::partitioning::PartSize;

use crate::failpoint_actions::{Injected, Injector, Injectors, Target};
use crate::world::deploy_with_parts_of;

/// Names the child's options.
const ORDERS: &str = "REALMCTL_ACCEPTANCE_CHILD";

/// What the child is to do.
#[derive(Debug, Serialize, Deserialize)]
pub struct ChildOptions {
    /// The catalogue's URL.
    pub store: String,
    /// Where it kills itself.
    pub target: Target,
    /// How often it comes by there before.
    pub passes: u32,
    /// Where to fail for good on the way, so that the move turns back.
    pub fail_at: Option<Target>,
    /// How many objects are worth a part of their own.
    pub objects_a_part: u64,
}

/// Runs workflows and tasks in a child process until it kills itself at `target`, failing at `fail_at` first. `entry` is the full name of the test
/// that calls [`run_if_child`].
pub async fn run_until_killed(store: &str, target: &Target, fail_at: Option<Target>, entry: &str) -> ExitStatus {
    let (store, target) = (store.to_owned(), target.clone());
    let objects_a_part = PartSize::default().objects;
    run_to_orders(&ChildOptions { store, target, passes: 0, fail_at, objects_a_part }, entry).await
}

/// The same with all there is to order.
pub async fn run_to_orders(options: &ChildOptions, entry: &str) -> ExitStatus {
    let mut command = Command::new(std::env::current_exe().expect("a test knows its own binary"));
    command
        .args(["--exact", entry, "--nocapture"])
        .env(ORDERS, serde_json::to_string(options).expect("options serialise"))
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn().expect("the child starts");
    child.wait().await.expect("the child can be waited for")
}

/// In the child: runs until killed. In the parent: does nothing.
pub async fn run_if_child() {
    let Ok(options) = std::env::var(ORDERS) else { return };
    let options: ChildOptions = serde_json::from_str(&options).expect("the parent wrote the options");
    let deployment = deploy_with_parts_of(&options.store, options.objects_a_part).await;
    let mut injectors = vec![Injector::new(options.target, Injected::Kill, 1).after(options.passes)];
    injectors.extend(options.fail_at.map(|target| Injector::new(target, Injected::FailForGood, u32::MAX)));
    let runner = engine::Runner::new(
        deployment.store.clone(),
        workflows::registry(&deployment),
        deployment.runner_settings(),
        deployment.owner.clone(),
    )
    .with_failpoints(Injectors(injectors));
    // Bounded: a child that is never struck ends, and the parent sees an exit code instead of a signal.
    let stop = CancellationToken::new();
    drop(tokio::time::timeout(std::time::Duration::from_secs(60), runner.run(stop)).await);
}
