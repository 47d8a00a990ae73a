//! What the embedded regions are asked with.

pub(crate) const ACCESS_KEY: &str = "AKIDTESTKIT";
/// Known to everyone: it protects nothing, it only makes signatures checkable.
pub(crate) const SECRET_KEY: &str = "testkit-secret-key-for-loopback-only";
