//! The set difference over physical locations: why data that stays is neither copied nor removed.

use std::collections::BTreeSet;

use catalogue::location::Location;

/// Old and new locations taken apart. The three are disjoint by [`Location::key`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// new \ old, in the order of `new`.
    pub add: Vec<Location>,
    /// new ∩ old, in the order of `new`, each as `old` has it: that is what the ledger knows.
    pub keep: Vec<Location>,
    /// old \ new, in the order of `old`.
    pub remove: Vec<Location>,
}

/// Takes `old` and `new` apart. What identifies a location is its key; a place listed twice counts once.
pub fn difference(old: &[Location], new: &[Location]) -> Difference {
    let (old, new) = (distinct(old), distinct(new));
    let kept = |(key, _): &(String, &Location)| old.iter().any(|(other, _)| other == key);
    let stored = |key: &String| old.iter().find(|(other, _)| other == key).map(|(_, location)| (*location).clone());
    Difference {
        add: new.iter().filter(|entry| !kept(entry)).map(|(_, location)| (*location).clone()).collect(),
        keep: new.iter().filter_map(|(key, _)| stored(key)).collect(),
        remove: old
            .iter()
            .filter(|(key, _)| !new.iter().any(|(other, _)| other == key))
            .map(|(_, location)| (*location).clone())
            .collect(),
    }
}

fn distinct(locations: &[Location]) -> Vec<(String, &Location)> {
    let mut seen = BTreeSet::new();
    let keyed = locations.iter().map(|location| (location.key(), location));
    keyed.filter(|(key, _)| seen.insert(key.clone())).collect()
}
