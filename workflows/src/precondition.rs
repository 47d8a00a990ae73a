//! What has to be in force for a change to be made: whoever asks has looked at it, and somebody else may have changed it since.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::refusal::Refusal;

/// Names a state of something that is changed as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag(String);

impl Tag {
    /// A tag as somebody gives it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The tag of what this says.
    pub(crate) fn of(value: &Value) -> Self {
        Self(blake3::hash(value.to_string().as_bytes()).to_hex()[..16].to_owned())
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What has to be in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Precondition {
    /// Anything.
    #[default]
    Any,
    /// One of these.
    OneOf(Vec<Tag>),
}

impl Precondition {
    /// Refuses if something else is in force.
    pub(crate) fn check(&self, in_force: &Tag, what: &str) -> Result<(), Refusal> {
        match self {
            Self::OneOf(tags) if !tags.contains(in_force) => {
                let message = format!(
                    "{what} changed since you looked: {} is in force. Nothing was changed: look again, and repeat it if you still want it",
                    in_force.as_str()
                );
                Err(Refusal::conflict("precondition_failed", message))
            }
            Self::Any | Self::OneOf(_) => Ok(()),
        }
    }
}
