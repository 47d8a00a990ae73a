//! The fronts do what AWS documents. Each test names its source; time is a test's own where it matters.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod common;
mod faults;
mod lag;
mod throttle;
mod throttle_batches;
mod throttle_units;
