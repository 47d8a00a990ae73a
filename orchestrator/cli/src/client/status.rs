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

    /// The whole id of what is given by its beginning: of one of these kinds, or of any kind if there are none. What nothing begins with
    /// stays as it is, for the server to say so.
    pub(crate) async fn whole_id(&self, given: &str, kinds: &[&str]) -> Result<String, Failure> {
        let is_beginning = given.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        if !(SHORTEST..WHOLE).contains(&given.len()) || !is_beginning {
            return Ok(given.to_owned());
        }
        let found: IdsView = self.get(&["ids", given], &[]).await?;
        let fits = |found: &NamedView| kinds.is_empty() || kinds.contains(&found.kind.as_str());
        let fitting: Vec<NamedView> = found.items.into_iter().filter(fits).collect();
        match fitting.as_slice() {
            [] => Ok(given.to_owned()),
            [one] => Ok(one.id.clone()),
            several => {
                let told = |named: &NamedView| {
                    format!("\n  {}  {} of {}, {}", named.id, named.kind, named.tenant, named.state)
                };
                let told: String = several.iter().map(told).collect();
                Err(Failure::refused(format!("more than one id begins with {given}; give more of it:{told}")))
            }
        }
    }
}
