//! What is under judgement, and what has been found.

use super::lines::Lines;
use super::model::Topology;
use super::problem::Problem;

/// The topology under judgement, and what has been found.
pub(super) struct Rules<'t> {
    pub(super) topology: &'t Topology,
    pub(super) lines: &'t Lines,
    pub(super) problems: Vec<Problem>,
}

impl Rules<'_> {
    /// Reports a breach.
    pub(super) fn report(&mut self, path: impl Into<String>, reason: impl Into<String>) {
        self.problems.push(Problem::new(path, reason));
    }
}
