//! With which tenants somebody may do it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The most tenants that a scope names: it is read with each request.
pub(super) const TENANTS_MAX: usize = 100;

/// The tenants that a token is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Scope {
    /// All tenants, and everything that is not about one.
    All,
    /// Those that live in this realm.
    Realm(String),
    /// These.
    Tenants(BTreeSet<String>),
}

impl Scope {
    /// Whether a tenant is in it that lives in `realm`.
    pub fn covers(&self, tenant: &str, realm: &str) -> bool {
        match self {
            Self::All => true,
            Self::Realm(of) => of == realm,
            Self::Tenants(tenants) => tenants.contains(tenant),
        }
    }

    /// In words: `all`, `realm us`, `tenants acme, globex`.
    pub fn in_words(&self) -> String {
        match self {
            Self::All => "all".to_owned(),
            Self::Realm(realm) => format!("realm {realm}"),
            Self::Tenants(tenants) => {
                let names: Vec<&str> = tenants.iter().map(String::as_str).collect();
                format!("tenants {}", names.join(", "))
            }
        }
    }
}
