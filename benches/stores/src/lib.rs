//! How fast a tenant's [`items`] and [`objects`] are copied, beside a bare loop of the same reads and writes by the SDK alone.
//!
//! The embedded regions run in a process of their own, and so does each measurement. Measurements of the movers and of the bare
//! loop take turns, so that a busy neighbour hits both.

mod job;
mod movers;
mod process;
mod regions;
mod stores;
mod usage;

pub mod items;
pub mod objects;

use std::fmt::Display;

const SOURCE_REGION: &str = "us-east-1";
const TARGET_REGION: &str = "eu-west-1";
const TENANT: &str = "acme";

/// Why it could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A part of it failed.
    #[error("a part of the measurement failed: {0}")]
    Part(String),
    /// A process could not be started, heard or looked at.
    #[error("a process of the measurement: {0}")]
    Process(#[from] std::io::Error),
}

impl Error {
    fn part(error: &(impl Display + ?Sized)) -> Self {
        Self::Part(error.to_string())
    }
}
