//! Calls that look at the deployment as a whole, and the search for what has an id that begins as given.

use server::api::{IdsView, NamedView, StatusView, WorkersView};

use super::Client;
use crate::exit::Failure;

/// How long an id is that is given whole.
const WHOLE: usize = 36;

/// The shortest beginning that is looked up.
const SHORTEST: usize = 8;

impl Client {
    pub(crate) async fn status(&self) -> Result<StatusView, Failure> {
        self.get(&["status"], &[]).await
    }

    pub(crate) async fn workers(&self) -> Result<WorkersView, Failure> {
        self.get(&["workers"], &[]).await
    }

    /// The whole id of what is given by its beginning, of this kind or of any. What nothing begins with stays as it is, for the server to
    /// say so.
    pub(crate) async fn whole_id(&self, given: &str, kind: Option<&str>) -> Result<String, Failure> {
        let is_beginning = given.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        if given.len() >= WHOLE || !is_beginning {
            return Ok(given.to_owned());
        }
        if given.len() < SHORTEST {
            let short = format!("`{given}` is too short: give at least {SHORTEST} characters of the id");
            return Err(Failure::usage(short));
        }
        let found: IdsView = match self.get(&["ids", given], &[("kind", kind.map(str::to_owned))]).await {
            // A server of an earlier version takes whole ids only.
            Err(unknown) if unknown.code == "unknown_route" => return Ok(given.to_owned()),
            found => found?,
        };
        match found.items.as_slice() {
            [] => Ok(given.to_owned()),
            [one] if !found.more => Ok(one.id.clone()),
            several => {
                let told = |named: &NamedView| {
                    format!("\n  {}  {} of {}, {}", named.id, named.kind, named.tenant, named.state)
                };
                let told: String = several.iter().map(told).collect();
                let rest = if found.more { "\n  and others" } else { "" };
                Err(Failure::refused(format!("more than one id begins with {given}; give more of it:{told}{rest}")))
            }
        }
    }
}
