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
}

impl Actor {
    /// realmctl itself, acting on its own rules. `why` goes into the audit trail, which is kept for ever: a code or fixed words,
    /// never the message of an error, which may quote keys of the tenant's data.
    pub fn realmctl(why: &str) -> Self {
        Self { who: "realmctl".to_owned(), why: why.to_owned() }
    }

    /// What the audit trail says of a change of an entry that `workflow` makes at this one's request.
    pub(crate) fn changes(&self, ids: &dyn Ids, workflow: Option<&str>) -> ChangedBy {
        let (who, why) = (self.who.clone(), self.why.clone());
        ChangedBy { entry: ids.next(), who, why, workflow: workflow.map(str::to_owned) }
    }
}
