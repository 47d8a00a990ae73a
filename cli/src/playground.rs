//! realmctl and two regions on this machine alone: what `demo` and `dev` stand on.

mod embedded;
mod holdings;

pub(crate) use embedded::{Embedded, Places};
pub(crate) use holdings::{Observed, seed};

/// The regions, source of the demo's move first.
pub(crate) const REGIONS: [&str; 2] = ["us-east-1", "eu-west-1"];

/// The store that is kept in a folder.
pub(crate) fn sqlite_in(folder: &std::path::Path) -> String {
    format!("sqlite:{}", folder.join("realmctl.db").display())
}
