//! What tests make the sample service do instead of answering well.

use std::collections::BTreeMap;
use std::collections::VecDeque;

/// One way to do badly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Answers this HTTP status and does nothing.
    Status(u16),
    /// Refuses with 409 and this reason.
    Refuse(String),
    /// Never answers, and does nothing.
    Silence,
    /// Does what it is asked, and then cuts the connection.
    LoseAnswer,
    /// Cuts the connection first.
    Cut,
    /// Keeps the request as it is; see `HookService::release`. Nobody gets an answer.
    Hold,
    /// The same, and a gateway answers with this status in its place.
    Gateway(u16),
    /// Answers 200 with something that is not of the protocol.
    Nonsense,
    /// The work that is under way fails with this reason.
    Break(String),
    /// Is still at work: 202.
    Later,
}

#[derive(Debug, Default)]
pub(super) struct Faults(BTreeMap<String, VecDeque<Fault>>);

impl Faults {
    pub(super) fn add(&mut self, hook: &str, fault: Fault, times: usize) {
        self.0.entry(hook.to_owned()).or_default().extend(std::iter::repeat_n(fault, times));
    }

    pub(super) fn take(&mut self, hook: &str) -> Option<Fault> {
        self.0.get_mut(hook)?.pop_front()
    }

    pub(super) fn left(&self) -> usize {
        self.0.values().map(VecDeque::len).sum()
    }
}
