//! Kinds of faults, how often each strikes under a seed, and which pairs of fault and state must be hit.

use testkit::simulator::{Chance, Coverage};

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// A process ends without any warning; another starts in its place.
    Crash,
    /// A process stands still for a while and then goes on as if nothing had happened.
    Pause,
    /// A process's clock is set, within the allowed skew.
    ClockSkew,
    /// The database's clock is set, further than the skew.
    DatabaseClock,
    /// The database can't be reached.
    Unreachable,
    /// The database takes its time.
    SlowStore,
    /// A commit fails, undone.
    CommitNotMade,
    /// A commit is made, and its reply is lost.
    CommitReplyLost,
    /// What would read back what became of a commit fails too.
    ReadBackFails,
    /// A request to a table is lost.
    RequestLost,
    /// A request to a table is done, and its reply is lost.
    ReplyLost,
    /// A request to a table arrives after its sender has given up.
    Late,
    /// A gateway answers a request to a table in its place, and passes it on later.
    Gateway,
    /// A table throttles a request.
    Throttled,
    /// A table leaves part of a request undone.
    Partial,
    /// A table answers with a failure.
    TableFails,
    /// A whole region answers no mover for a while.
    RegionAway,
}

/// Every kind, with those that concern messages to tables last.
pub(crate) const FAULTS: [Fault; 17] = [
    Fault::Crash,
    Fault::Pause,
    Fault::ClockSkew,
    Fault::DatabaseClock,
    Fault::Unreachable,
    Fault::SlowStore,
    Fault::CommitNotMade,
    Fault::CommitReplyLost,
    Fault::ReadBackFails,
    Fault::RequestLost,
    Fault::ReplyLost,
    Fault::Late,
    Fault::Gateway,
    Fault::Throttled,
    Fault::Partial,
    Fault::TableFails,
    Fault::RegionAway,
];

/// States in which a process steps a workflow or runs a task of it.
const STATES: [&str; 15] = [
    "scheduled",
    "preflight",
    "waiting",
    "comparing",
    "offline",
    "drain",
    "add_data",
    "verify",
    "commit",
    "notify",
    "re_online",
    "removal waiting",
    "removal comparing",
    "removal removing",
    "recheck",
];

/// Those of them in which it talks to tables.
const STATES_WITH_MESSAGES: [&str; 6] =
    ["preflight", "add_data", "verify", "removal comparing", "removal removing", "recheck"];

impl Fault {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Pause => "pause",
            Self::ClockSkew => "skew",
            Self::DatabaseClock => "db-clock",
            Self::Unreachable => "db-down",
            Self::SlowStore => "db-slow",
            Self::CommitNotMade => "no-commit",
            Self::CommitReplyLost => "no-reply",
            Self::ReadBackFails => "no-read",
            Self::RequestLost => "req-lost",
            Self::ReplyLost => "ans-lost",
            Self::Late => "late",
            Self::Gateway => "gateway",
            Self::Throttled => "throttled",
            Self::Partial => "partial",
            Self::TableFails => "failing",
            Self::RegionAway => "away",
        }
    }

    fn concerns_messages(self) -> bool {
        self >= Self::RequestLost
    }
}

/// Every pair of fault and state that can be.
pub(crate) fn wanted() -> Vec<(&'static str, &'static str)> {
    let states = |fault: Fault| if fault.concerns_messages() { &STATES_WITH_MESSAGES[..] } else { &STATES[..] };
    let all = STATES.iter().flat_map(|state| FAULTS.iter().map(move |fault| (*fault, *state)));
    all.filter(|(fault, state)| states(*fault).contains(state)).map(|(fault, state)| (fault.name(), state)).collect()
}

/// Adds a hit, if it was in a state.
pub(crate) fn count(coverage: &mut Coverage, fault: Fault, state: Option<&'static str>) {
    if let Some(state) = state {
        coverage.hit(fault.name(), state);
    }
}

/// How often each kind strikes, per thousand occasions.
#[derive(Debug, Clone)]
pub(crate) struct FaultRates {
    pub(crate) crash_at_point: u32,
    pub(crate) pause_at_point: u32,
    pub(crate) skew: u32,
    pub(crate) database_clock: u32,
    pub(crate) unreachable: u32,
    pub(crate) slow_store: u32,
    pub(crate) commit_not_made: u32,
    pub(crate) commit_reply_lost: u32,
    pub(crate) read_back_fails: u32,
    pub(crate) request_lost: u32,
    pub(crate) reply_lost: u32,
    pub(crate) late: u32,
    pub(crate) gateway: u32,
    pub(crate) throttled: u32,
    pub(crate) partial: u32,
    pub(crate) table_fails: u32,
}

impl FaultRates {
    /// Each kind is absent, rare or frequent, independently of the others.
    pub(crate) fn drawn(chance: &mut Chance) -> Self {
        let mut rate = |rare: u32, frequent: u32| *chance.pick(&[0, rare, rare, frequent]);
        Self {
            crash_at_point: rate(8, 25),
            pause_at_point: rate(8, 25),
            skew: rate(5, 20),
            database_clock: rate(3, 10),
            unreachable: rate(4, 15),
            slow_store: rate(10, 40),
            commit_not_made: rate(4, 15),
            commit_reply_lost: rate(4, 15),
            read_back_fails: rate(300, 600),
            request_lost: rate(8, 30),
            reply_lost: rate(8, 30),
            late: rate(8, 30),
            gateway: rate(8, 30),
            throttled: rate(10, 40),
            partial: rate(20, 100),
            table_fails: rate(8, 30),
        }
    }
}
