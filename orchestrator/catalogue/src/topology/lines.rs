//! Where in the file each part of a topology stands, and which parts could not be read.

use std::collections::{BTreeMap, BTreeSet};

use super::problem::Problem;

/// The line of each part of a parsed file, by path (`services.issue-service.shards[1].dataRegions`).
#[derive(Debug, Clone, Default)]
pub struct Lines {
    lines: BTreeMap<String, u64>,
    unreadable: BTreeSet<String>,
}

impl Lines {
    /// Fills in the line of each problem from its path, or from the nearest part around it that the file has, and
    /// sorts the problems as the file runs. Problems about things that are not in the file come last.
    pub fn locate(&self, mut problems: Vec<Problem>) -> Vec<Problem> {
        for problem in &mut problems {
            problem.line = problem.line.or_else(|| self.line_of(&problem.path));
        }
        problems.sort_by(|a, b| {
            let order = |p: &Problem| (p.line.unwrap_or(u64::MAX), p.path.clone());
            order(a).cmp(&order(b))
        });
        problems
    }

    pub(super) fn record(&mut self, path: &str, line: u64) {
        if line > 0 {
            self.lines.entry(path.to_owned()).or_insert(line);
        }
    }

    /// Notes that the value at `path` is missing or of the wrong kind: a stand-in is in the topology, about which
    /// nothing more should be said.
    pub(super) fn mark_unreadable(&mut self, path: &str) {
        self.unreadable.insert(path.to_owned());
    }

    /// Whether what the topology has at `path` is a stand-in, or part of one.
    pub(super) fn is_unreadable(&self, path: &str) -> bool {
        ancestors(path).any(|part| self.unreadable.contains(part))
    }

    /// Whether anything at `path` or below it is a stand-in.
    pub(super) fn has_unreadable_within(&self, path: &str) -> bool {
        let below = |other: &String| other.strip_prefix(path).is_some_and(|rest| rest.starts_with(['.', '[']));
        self.is_unreadable(path) || self.unreadable.iter().any(below)
    }

    fn line_of(&self, path: &str) -> Option<u64> {
        ancestors(path).find_map(|part| self.lines.get(part).copied())
    }
}

/// `a.b[0]`, then `a.b`, then `a`.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| path.rfind(['.', '[']).map(|end| &path[..end]))
}
