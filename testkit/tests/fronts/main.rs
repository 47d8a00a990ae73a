//! The fronts do what AWS documents. Each test names its source; time is a test's own where it matters.

#[cfg(test)]
mod common;
#[cfg(test)]
mod throttle;
#[cfg(test)]
mod throttle_batches;
#[cfg(test)]
mod throttle_units;
