//! The simulator.

#[test]
fn nothing() {}
