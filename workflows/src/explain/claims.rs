//! Who holds a claim, and what it means that nobody does: the same for workflows and their tasks. Pure.

use engine::{Failing, host_and_process};
use store::Millis;

use super::facts::Facts;
use crate::explanation::{Holder, WaitsFor};
use crate::timestamps::{rfc3339, utc};

/// Who holds the claim, or held it last: a claim that was given back leaves nobody.
pub(super) fn holder(owner: Option<&str>, until: Millis, now: Millis) -> Option<Holder> {
    let owner = owner.filter(|_| until > 0)?.to_owned();
    Some(Holder { owner, until: rfc3339(until), alive: until > now })
}

/// Due, and nobody has it: whose claim ran out, or for how long nobody has come. `aside`: who is there and can't take it, in words.
pub(super) fn unclaimed(
    (owner, lease_until): (Option<&str>, Millis),
    wake_at: Millis,
    facts: &Facts,
    aside: Option<String>,
) -> WaitsFor {
    if let Some(Holder { owner, .. }) = holder(owner, lease_until, facts.now) {
        let text = format!(
            "another process to take it over: the claim of {} ran out {} ago{}",
            host_and_process(&owner),
            seconds(facts.now - lease_until),
            doubt(facts.now - lease_until, facts.patience)
        );
        return WaitsFor::new("lease_expired", text);
    }
    let due = facts.now - wake_at;
    if let Some(aside) = aside {
        return WaitsFor::new("no_worker", format!("a process that can run it, for {}: {aside}", seconds(due)));
    }
    WaitsFor::new("unclaimed", format!("a process to claim it, for {}{}", seconds(due), doubt(due, facts.patience)))
}

/// Whether it has been due for so long that somebody should look whether anybody is there.
pub(super) fn nobody_comes(facts: &Facts) -> bool {
    let due = facts.record.wake_at.unwrap_or(facts.now).max(facts.standing.lease_until);
    facts.now - due > facts.patience
}

fn doubt(idle: Millis, patience: Millis) -> &'static str {
    if idle > patience { ". Is a server or worker running?" } else { "" }
}

/// Since when attempts fail, in words; nothing where an older version has not stored it.
pub(super) fn since(failing: Option<Failing>) -> String {
    failing.map(|failing| format!(" since {}", utc(failing.since))).unwrap_or_default()
}

pub(super) fn seconds(millis: Millis) -> String {
    format!("{} s", millis.max(0) / 1_000)
}
