//! realmctl and two regions on this machine alone: what `demo` and `dev` stand on.

mod embedded;
mod holdings;

use std::time::Duration;

use store::Store;
use workers::{CredentialsFrom, Movers, Settings};
use workflows::Deployment;
use workflows::timing::Timing;

use crate::exit::Failure;
use crate::process::with_lock;

pub(crate) use embedded::{Embedded, Places};
pub(crate) use holdings::{Observed, seed};

/// The regions, source of the demo's move first.
pub(crate) const REGIONS: [&str; 2] = ["us-east-1", "eu-west-1"];

/// The store that is kept in a folder.
pub(crate) fn sqlite_in(folder: &std::path::Path) -> String {
    format!("sqlite:{}", folder.join("realmctl.db").display())
}

/// The protocol's constants for processes that serve only themselves: `demo` and `dev`.
pub(crate) fn local_deployment(store: Store, timing: Timing) -> Deployment {
    let credentials = CredentialsFrom::Fixed(testkit::region::credentials());
    let settings = Settings {
        index_settle: timing.index_settle,
        checkpoint_every: Duration::from_millis(250),
        ..Settings::default()
    };
    with_lock(Deployment::new(store, Movers::new(credentials, settings), timing), None)
}

/// The testkit's failures say themselves what was being done.
impl From<testkit::Error> for Failure {
    fn from(error: testkit::Error) -> Self {
        Self::failed(error.to_string())
    }
}
