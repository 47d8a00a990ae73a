//! A request that is refused: nothing was changed, and the person is told why and what to do.

use engine::{CATALOGUE_UNAVAILABLE, StepError};
use store::StoreError;

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// There is no such thing.
    #[error("{message}")]
    NotFound {
        /// A stable code.
        code: &'static str,
        /// Words for the person.
        message: String,
    },
    /// It contradicts what is stored or going on.
    #[error("{message}")]
    Conflict {
        /// A stable code.
        code: &'static str,
        /// Words for the person.
        message: String,
    },
    /// The request itself is wrong.
    #[error("{message}")]
    Invalid {
        /// A stable code.
        code: &'static str,
        /// Words for the person.
        message: String,
    },
    /// The topology file has mistakes, all of them listed.
    #[error("the topology is refused: {}", problems(.0.len()))]
    Topology(Vec<catalogue::topology::Problem>),
    /// Not a refusal: the catalogue could not be reached or is broken.
    #[error("the catalogue could not answer")]
    Store(#[from] StoreError),
}

impl Refusal {
    pub(crate) fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::NotFound { code, message: message.into() }
    }

    pub(crate) fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::Conflict { code, message: message.into() }
    }

    pub(crate) fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid { code, message: message.into() }
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound { code, .. } | Self::Conflict { code, .. } | Self::Invalid { code, .. } => code,
            Self::Topology(_) => "topology_refused",
            Self::Store(_) => CATALOGUE_UNAVAILABLE,
        }
    }
}

impl From<StepError> for Refusal {
    fn from(error: StepError) -> Self {
        // A catalogue that can't answer is not a refusal, whichever way its error came.
        match error.source.map(|source| source.downcast::<StoreError>()) {
            Some(Ok(store)) => Self::Store(*store),
            _ => Self::conflict("conflict", error.message),
        }
    }
}

fn problems(count: usize) -> String {
    if count == 1 { "1 problem".to_owned() } else { format!("{count} problems") }
}
