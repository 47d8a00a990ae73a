//! What this process needs of its host for the work that it is to do, and what of that it lacks. What a store or a service refuses
//! is not looked at here: that is about them.

use crate::failure::NO_CREDENTIALS;
use crate::host::{self, NO_AUTHORITIES, NO_FILES};
use crate::movers::Movers;

/// Codes of failures that come from what a process lacks, wherever it turns and whatever it is about.
const OWN: [&str; 3] = [NO_AUTHORITIES, NO_CREDENTIALS, NO_FILES];

/// What stores and services there are, as far as that asks something of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Whether any is reached over TLS.
    pub authorities: bool,
    /// The region of one that takes AWS's signatures, if there is any.
    pub credentials: Option<String>,
}

/// Whether a failure with this code comes from what the process lacks.
pub fn is_own_failure(code: &str) -> bool {
    OWN.contains(&code)
}

impl Movers {
    /// What this process lacks of what it needs, and what to do about it; `None`: nothing. `met`: the code of a failure that work has just
    /// had.
    pub async fn lacks(&self, needs: &Needs, met: Option<&str>) -> Option<String> {
        // Work that has failed for want of files has just let go of some.
        if met == Some(NO_FILES) || !host::has_free_files() {
            return Some(host::without_files().message);
        }
        if (needs.authorities || met == Some(NO_AUTHORITIES)) && !host::look_for_authorities() {
            return Some(host::without_authorities().message);
        }
        let (clients, region) = (self.clients()?, needs.credentials.as_deref()?);
        clients.without_credentials(region, met == Some(NO_CREDENTIALS)).await
    }
}
