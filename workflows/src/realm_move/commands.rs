//! What is done to a move from outside its runner: by people, and by whoever finds that its offline lease has lapsed.

pub(crate) mod start;
pub(crate) mod reschedule;
pub(crate) mod cancel;
pub(crate) mod cancelled;
pub(crate) mod lapse;
mod unreadable;
