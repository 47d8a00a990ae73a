//! The protocol keeps its promises in every order of events, and each of its guards is needed: without it, or without it and
//! those that hold the same line, the checker finds a way to break a promise.

use model::{Bounds, Guard, Protocol};
use stateright::{Checker, HasDiscoveries, Model};

/// Properties of the kind "can be reached": found when all is well.
const REACHED: [&str; 3] = [
    "there and back again",
    "a rolled back move, and its target used again",
    "a process is at work that has lost its lease",
];

const DELETED: &str = "live data is never deleted";
const LOST: &str = "no acknowledged write is lost";
const ORPHAN: &str = "no data without a ledger entry";
const STUCK: &str = "work can always go on";
const HALF: &str = "commit is all or nothing";
const UNSEEN: &str = "no late write is deleted unseen";

/// Found besides when somebody writes late.
const FOUND_LATE: &str = "a late write is found, accepted and removed";

/// Few enough to be explored in seconds, and enough for there and back with two mishaps.
const SMALL: Bounds = Bounds { moves: 2, writes: 1, mishaps: 2, late_writes: 0 };

/// With writes to what the tenant has left, one of them perhaps while a removal has failed.
const LATE: Bounds = Bounds { moves: 1, late_writes: 2, ..SMALL };

#[test]
fn the_promises_hold_in_every_order_of_events() {
    for bounds in [SMALL, Bounds { writes: 2, ..SMALL }, Bounds { moves: 3, mishaps: 1, ..SMALL }] {
        let checker = Protocol { bounds, off: Vec::new() }.checker().threads(2).spawn_bfs().join();
        println!(
            "{bounds:?}: {} states, {} transitions, depth {}",
            checker.unique_state_count(),
            checker.state_count(),
            checker.max_depth()
        );
        let mut found: Vec<&str> = checker.discoveries().into_keys().collect();
        found.sort_unstable();
        let mut reached = REACHED;
        reached.sort_unstable();
        assert_eq!(found, reached, "{bounds:?}: {:?}", checker.discoveries());
        assert!(checker.is_done());
    }
}

/// Whether the checker finds a way to break `property` without these guards; prints the shortest that it finds.
fn is_broken(off: &[Guard], bounds: Bounds, property: &'static str) -> bool {
    let protocol = Protocol { bounds, off: off.to_vec() };
    let checker =
        protocol.checker().threads(2).finish_when(HasDiscoveries::AnyOf([property].into())).spawn_bfs().join();
    match checker.discoveries().remove(property) {
        Some(path) => {
            println!("without {off:?}: {property} is broken by {:?}", path.into_actions());
            true
        }
        None => {
            println!("without {off:?}: {property} holds in {} states", checker.unique_state_count());
            false
        }
    }
}

/// Guards that nothing else stands in for.
const NEEDED: [(Guard, &str); 16] = [
    (Guard::Fence, LOST),
    (Guard::Fence, "one active move"),
    (Guard::OneActiveMove, "one active move"),
    (Guard::NoRenewalAfterLapse, "nothing commits after a lapse"),
    (Guard::ReOnlineRaisesEpoch, "every change raises the epoch"),
    // A write from before the commit lands on what the client wrote after it.
    (Guard::WaitBeforeVerify, LOST),
    // A write lands where a removal has finished.
    (Guard::WaitBeforeAbsent, ORPHAN),
    (Guard::SignedPermits, LOST),
    (Guard::SignedPermits, ORPHAN),
    (Guard::SignedPermits, DELETED),
    (Guard::LedgerFirst, ORPHAN),
    (Guard::TargetAbsent, STUCK),
    (Guard::Generation, STUCK),
    (Guard::Drain, LOST),
    (Guard::AddBeforeCommit, DELETED),
    (Guard::OneTransaction, HALF),
];

#[test]
fn without_a_guard_a_promise_is_broken() {
    for (guard, property) in NEEDED {
        assert!(is_broken(&[guard], SMALL, property), "{guard:?} is not needed for: {property}");
    }
}

/// Guards that hold one line together: without all of a row the promise is broken, and any one of them keeps it.
const TOGETHER: [(&[Guard], &str); 5] = [
    (&[Guard::Fence, Guard::EpochAtCommit, Guard::StatusAtCommit], DELETED),
    (&[Guard::Fence, Guard::EpochAtCommit, Guard::StatusAtCommit, Guard::EntryArrows], HALF),
    (&[Guard::Fence, Guard::EpochAtPermit, Guard::EntryAtPermit], ORPHAN),
    (&[Guard::EntryAtPermit, Guard::Generation], DELETED),
    // A delete from before lands where the tenant has been moved again.
    (&[Guard::WaitBeforeVerify, Guard::WaitBeforeAbsent], DELETED),
];

#[test]
fn where_several_guards_hold_one_line_any_of_them_is_enough() {
    let bounds = Bounds { mishaps: 1, ..SMALL };
    for (guards, property) in TOGETHER {
        assert!(is_broken(guards, bounds, property), "without {guards:?} nothing breaks: {property}");
        for kept in guards {
            let off: Vec<Guard> = guards.iter().copied().filter(|guard| guard != kept).collect();
            assert!(!is_broken(&off, bounds, property), "{kept:?} alone does not keep: {property}");
        }
    }
}

#[test]
fn no_late_write_is_deleted_unseen_however_often_a_removal_is_replayed() {
    for bounds in [LATE, Bounds { moves: 2, mishaps: 1, late_writes: 1, ..SMALL }] {
        let checker = Protocol { bounds, off: Vec::new() }.checker().threads(2).spawn_bfs().join();
        println!("{bounds:?}: {} states, {} transitions", checker.unique_state_count(), checker.state_count());
        let found = checker.discoveries();
        let broken: Vec<_> = found.keys().filter(|name| **name != FOUND_LATE && !REACHED.contains(*name)).collect();
        assert!(broken.is_empty(), "{bounds:?}: {found:?}");
        assert!(found.contains_key(FOUND_LATE) && checker.is_done(), "{bounds:?}");
    }
    assert!(is_broken(&[Guard::CompareOnReplay], LATE, UNSEEN), "comparing once would be enough");
}

#[test]
fn every_guard_is_covered() {
    let mut named: Vec<Guard> = NEEDED.iter().map(|(guard, _)| *guard).collect();
    named.push(Guard::CompareOnReplay);
    named.extend(TOGETHER.iter().flat_map(|(guards, _)| *guards));
    let missing: Vec<Guard> = Guard::ALL.into_iter().filter(|guard| !named.contains(guard)).collect();
    assert_eq!(missing, [], "no test shows that these are needed");
}
