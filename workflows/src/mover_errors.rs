//! Failures on their way between the movers and the engine.

use engine::StepError;
use workers::error::WorkError;

/// A mover's failure as the engine treats it. One that the engine itself had raised, at a checkpoint or a permit, comes out
/// as it went in.
pub(crate) fn step_error(mut error: WorkError) -> StepError {
    if let Some(source) = error.source.take() {
        match source.downcast::<StepError>() {
            Ok(own) => return *own,
            Err(other) => error.source = Some(other),
        }
    }
    let treatment = match error.treatment {
        workers::error::Treatment::Retryable => engine::Treatment::Retryable,
        workers::error::Treatment::Permanent => engine::Treatment::Permanent,
        workers::error::Treatment::Unfit => engine::Treatment::Unfit,
        workers::error::Treatment::LostLease => engine::Treatment::LostLease,
    };
    StepError { treatment, code: error.code.to_owned(), message: error.message, source: error.source }
}

/// The engine's failure as a mover passes it on.
pub(crate) fn work_error(error: StepError) -> WorkError {
    let treatment = match error.treatment {
        engine::Treatment::Retryable => workers::error::Treatment::Retryable,
        engine::Treatment::Permanent => workers::error::Treatment::Permanent,
        engine::Treatment::Unfit => workers::error::Treatment::Unfit,
        engine::Treatment::LostLease => workers::error::Treatment::LostLease,
    };
    let message = error.to_string();
    WorkError { source: Some(Box::new(error)), treatment, ..WorkError::retryable("catalogue", message) }
}
