//! Every kind of workflow and task, as the drivers that strike at each of their steps need to know it. A kind that a runner can
//! run and that is not listed here fails `acceptance::every_kind::the_lists_are_complete`.

/// One kind of workflow.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// As stored.
    pub name: &'static str,
    /// What makes one run.
    pub begin: Begin,
    /// The states that an undisturbed run goes through, in order, without the one it ends in.
    pub path: &'static [&'static str],
    /// All states, as the workflow itself lists them.
    pub all: &'static [&'static str],
    /// The states off that path: the last ones, and those that only a failure or a person leads to.
    pub others: &'static [&'static str],
    /// The state in which the workflow comes to rest when the step of this state fails for good.
    pub given_up: fn(state: &str) -> &'static str,
}

/// What makes a workflow of a kind run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// A move of the tenant to its other realm, and the removals that follow.
    Move,
    /// A campaign that moves the tenant and a second one, in two waves.
    Campaign,
    /// The creation of another tenant.
    Create,
}

/// Every kind of workflow.
pub const KINDS: [Kind; 5] = [
    Kind {
        name: "move",
        begin: Begin::Move,
        path: &["scheduled", "preflight", "waiting", "offline", "drain", "add_data", "verify", "commit", "notify"],
        all: &workflows::realm_move::STATES,
        others: &["comparing", "re_online", "completed", "rolled_back", "failed"],
        given_up: |state| match state {
            "scheduled" | "preflight" | "waiting" | "offline" => "failed",
            "notify" => "completed",
            _ => "rolled_back",
        },
    },
    Kind {
        name: "removal",
        begin: Begin::Move,
        path: &["waiting", "comparing", "removing"],
        all: &workflows::removal::STATES,
        others: &["done", "failed"],
        given_up: |_| "failed",
    },
    Kind {
        name: "recheck",
        begin: Begin::Move,
        path: &["waiting"],
        all: &workflows::removal::RECHECK_STATES,
        others: &["done", "found", "failed"],
        given_up: |_| "failed",
    },
    Kind {
        name: "provision",
        begin: Begin::Create,
        path: &["preparing"],
        all: &workflows::provision::STATES,
        others: &["undoing", "online", "undone"],
        given_up: |_| "undone",
    },
    Kind {
        name: "campaign",
        begin: Begin::Campaign,
        path: &["running", "resting"],
        all: &workflows::campaign::STATES,
        others: &["paused", "halted", "cancelling", "completed", "cancelled"],
        given_up: |_| "halted",
    },
];

/// Every kind of task. Each runs in a move or in one of its removals.
pub const TASKS: [&str; 4] = ["copy", "verify", "compare", "remove"];

/// States, of any kind, in which nothing happens any more unless a person asks for it.
pub const AT_REST: [&str; 9] =
    ["completed", "rolled_back", "failed", "done", "found", "halted", "cancelled", "online", "undone"];
