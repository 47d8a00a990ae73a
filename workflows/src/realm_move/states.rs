//! The states of a move, one file each, in the order in which a move passes them. `comparing` takes the place of all from `offline` to
//! `verify` in a move without an offline window; `re_online` is the way back from any that keeps the tenant offline.

pub(crate) mod scheduled;
pub(crate) mod preflight;
pub(crate) mod waiting;
pub(crate) mod offline;
pub(crate) mod drain;
pub(crate) mod add_data;
pub(crate) mod verify;
pub(crate) mod comparing;
pub(crate) mod commit;
pub(crate) mod notify;
pub(crate) mod re_online;
