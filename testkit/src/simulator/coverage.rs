//! Which kind of fault hit which state, and how often.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A matrix of kinds and states.
#[derive(Debug, Default, Clone)]
pub struct Coverage(BTreeMap<(&'static str, &'static str), u64>);

impl Coverage {
    /// `kind` hit `state`.
    pub fn hit(&mut self, kind: &'static str, state: &'static str) {
        *self.0.entry((kind, state)).or_default() += 1;
    }

    /// Adds what another run hit.
    pub fn merge(&mut self, other: &Self) {
        for (pair, count) in &other.0 {
            *self.0.entry(*pair).or_default() += count;
        }
    }

    /// The pairs of `wanted` that were never hit.
    pub fn missing(&self, wanted: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
        wanted.iter().filter(|pair| !self.0.contains_key(*pair)).copied().collect()
    }

    /// The matrix as a table; pairs that are not `wanted` are shown as `-`.
    pub fn table(&self, wanted: &[(&'static str, &'static str)]) -> String {
        let mut kinds: Vec<&str> = Vec::new();
        let mut states: Vec<&str> = Vec::new();
        for (kind, state) in wanted {
            if !kinds.contains(kind) {
                kinds.push(kind);
            }
            if !states.contains(state) {
                states.push(state);
            }
        }
        let mut table = format!("{:<22}", "");
        for kind in &kinds {
            write!(table, " {kind:>9}").expect("a String takes everything");
        }
        for state in states {
            write!(table, "\n{state:<22}").expect("a String takes everything");
            for kind in &kinds {
                let wanted = wanted.iter().find(|pair| pair.0 == *kind && pair.1 == state);
                let cell = wanted.map_or("-".to_owned(), |pair| self.0.get(pair).copied().unwrap_or(0).to_string());
                write!(table, " {cell:>9}").expect("a String takes everything");
            }
        }
        table
    }
}
