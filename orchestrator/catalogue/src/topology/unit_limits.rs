//! Limits on units a second, as the file states them.

use serde::{Deserialize, Serialize};

/// The most that a limit can be, in units a second.
pub const UNITS_MAX: u32 = 10_000_000;

/// Capacity units a second; `None` is not limited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UnitLimits {
    /// Write units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_units: Option<u32>,
    /// Read units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_units: Option<u32>,
}

impl UnitLimits {
    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
