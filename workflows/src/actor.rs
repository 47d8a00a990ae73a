//! Who asks for a change, and why: kept with the change and in the audit trail.

use catalogue::ledger::ChangedBy;
use engine::Ids;
use serde::{Deserialize, Serialize};

/// Who asks, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The caller, as far as known.
    pub who: String,
    /// The reason given; may be empty.
    pub why: String,
    /// The address that the request came from; empty for what realmctl does by itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub origin: String,
}

impl Actor {
    /// Somebody on this machine.
    pub fn new(who: impl Into<String>, why: impl Into<String>) -> Self {
        Self { who: who.into(), why: why.into(), origin: String::new() }
    }

    /// realmctl itself, acting on its own rules. `why` goes into the audit trail, which is kept for ever: a code or fixed words,
    /// never the message of an error, which may quote keys of the tenant's data.
    pub fn realmctl(why: &str) -> Self {
        Self::new("realmctl", why)
    }

    /// What the audit trail says of a change of an entry that `workflow` makes at this one's request.
    pub(crate) fn changes(&self, ids: &dyn Ids, workflow: Option<&str>) -> ChangedBy {
        let (who, why, origin) = (self.who.clone(), self.why.clone(), self.origin.clone());
        ChangedBy { entry: ids.next(), who, why, origin, workflow: workflow.map(str::to_owned) }
    }
}
