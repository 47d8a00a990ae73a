//! Who asks for a change, and why: kept with the change and in the audit trail.

use serde::{Deserialize, Serialize};

/// Who asks, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requester {
    /// The caller, as far as known.
    pub who: String,
    /// The reason given; may be empty.
    pub why: String,
}

impl Requester {
    /// realmctl itself, acting on its own rules.
    pub fn realmctl(why: &str) -> Self {
        Self { who: "realmctl".to_owned(), why: why.to_owned() }
    }
}
