//! Fronts: listeners on loopback that pass on to another URL and do to the traffic what a real store does and the embedded
//! ones don't. They stack: each is put before a region, before another front, or before any other server that speaks the
//! same protocol.

pub mod faults;
pub mod lag;
pub mod md5;
pub mod throttle;

mod asked;
mod upstream;
mod expression;
pub(crate) mod forward;
mod schema;
pub(crate) mod service;
mod tables;
mod wire;
