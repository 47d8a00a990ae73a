//! What may follow what in a move: the only table. Everything else is an illegal transition.

/// All states, in the order in which a move can pass them.
pub const STATES: [&str; 14] = [
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
    "completed",
    "re_online",
    "rolled_back",
    "failed",
];

/// Whether `to` may follow `from`.
pub(super) fn may_follow(from: &str, to: &str) -> bool {
    successors(from).contains(&to)
}

/// Whether nothing follows.
pub(super) fn is_final(name: &str) -> bool {
    successors(name).is_empty()
}

/// Whether the tenant is offline in this state. A pause passes it by: the tenant would stay offline.
pub(super) fn keeps_offline(name: &str) -> bool {
    matches!(name, "drain" | "add_data" | "verify" | "commit" | "re_online")
}

/// `rolled_back` straight from a working state is a cancel or a lapse: they bring the tenant online in their own
/// transaction.
fn successors(from: &str) -> &'static [&'static str] {
    match from {
        "scheduled" => &["preflight", "failed", "rolled_back"],
        "preflight" => &["waiting", "failed", "rolled_back"],
        "waiting" => &["offline", "comparing", "commit", "failed", "rolled_back"],
        "comparing" => &["commit", "failed", "rolled_back"],
        "offline" => &["drain", "waiting", "failed", "rolled_back"],
        "drain" => &["add_data", "re_online", "rolled_back"],
        "add_data" => &["verify", "re_online", "rolled_back"],
        "verify" => &["commit", "re_online", "rolled_back"],
        "commit" => &["notify", "re_online", "failed", "rolled_back"],
        "notify" => &["completed"],
        "re_online" => &["rolled_back"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_can_reach_an_end_and_ends_stay() {
        for state in STATES {
            let mut reached = vec![state];
            while let Some(next) = reached.iter().flat_map(|s| successors(s)).find(|s| !reached.contains(s)) {
                reached.push(next);
            }
            assert!(reached.iter().any(|s| is_final(s)), "{state} never ends");
        }
        for end in ["rolled_back", "completed", "failed"] {
            assert!(is_final(end));
        }
    }

    #[test]
    fn every_state_from_which_the_tenant_comes_back_online_must_go_on() {
        for state in STATES {
            let offline = may_follow(state, "re_online") || state == "re_online";
            assert_eq!(keeps_offline(state), offline, "{state}");
        }
    }

    #[test]
    fn after_the_commit_there_is_no_way_back_and_before_it_always_one() {
        for before in ["drain", "add_data", "verify", "commit"] {
            assert!(may_follow(before, "re_online") && may_follow(before, "rolled_back"), "{before}");
        }
        for after in ["notify", "completed"] {
            assert!(!may_follow(after, "re_online") && !may_follow(after, "rolled_back"), "{after}");
        }
    }

    #[test]
    fn a_move_that_was_offline_never_ends_as_failed() {
        for offline in ["drain", "add_data", "verify", "re_online", "notify"] {
            assert!(!may_follow(offline, "failed"), "{offline}");
        }
    }
}
