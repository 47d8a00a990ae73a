//! The protocol of a move and its removals as a model that `stateright` checks in every order of events: one tenant, one
//! service, two locations, two processes, one client that caches the tenant's context, and a network that may delay
//! requests and deliver them twice.
//!
//! It shares no code with the product: it is written from the design, so that it can't share a mistake. Each guard of the
//! protocol can be switched off ([`Guard`]), to show that the model would notice. Time is not counted: whatever a clock
//! could allow may happen at any moment. docs/model.md says what is left out.

mod actions;
mod checked;
mod events;
mod guards;
mod properties;
mod protocol;
mod removal;
mod state;
mod tenant_move;

pub use actions::Action;
pub use guards::Guard;
pub use protocol::{Bounds, Protocol};
pub use state::{Context, EntryState, Job, LedgerEntry, Location, Move, Removal, Request, Stage, State, Status, Work};
