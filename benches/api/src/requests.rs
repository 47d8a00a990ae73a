//! What is asked for, by whom.

use workflows::actor::Actor;
use workflows::provision::NewTenant;
use workflows::realm_move::{MoveRequest, When};

use crate::Error;

/// The beginning of 2100: moves that are scheduled for it never begin here.
const NEVER: i64 = 4_102_444_800_000;

/// Who asks for everything.
pub(crate) fn by() -> Actor {
    Actor::new("bench", "to measure")
}

/// The id of a tenant.
pub(crate) fn tenant(number: usize) -> String {
    format!("tenant-{number}")
}

/// A tenant to be created.
pub(crate) fn new_tenant(id: &str) -> Result<NewTenant, Error> {
    let host = format!("{id}.example").parse().map_err(|error| Error::Part(format!("{error}")))?;
    let id = id.parse().map_err(|error| Error::Part(format!("{error}")))?;
    Ok(NewTenant { id, host, realm: "us".to_owned() })
}

/// A move that never begins.
pub(crate) fn move_of(tenant: String) -> MoveRequest {
    let when = When { at: Some(NEVER), window: None };
    MoveRequest { tenant, to: "eu".to_owned(), when, ..MoveRequest::default() }
}
