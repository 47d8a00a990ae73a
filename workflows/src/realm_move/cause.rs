//! Why an offline move ran out of time: where its data tasks run into something, that is its error, and that the time ran out comes
//! second. Pure.

use engine::{StoredError, TaskRecord, TaskStatus};

/// How much of the open work must fail to be the cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    /// Nothing has got on at all: whatever fails is the cause.
    Surely,
    /// Some work may have gone on, only too slowly.
    Perhaps,
}

/// The error of a move whose time ran out like that, with these tasks. Both facts are told.
pub(super) fn of(ran_out: StoredError, stopped: Stopped, tasks: &[TaskRecord]) -> StoredError {
    let open = || tasks.iter().filter(|task| task.status == TaskStatus::Open);
    let failing = || open().filter_map(|task| Some((task.attempt, task.failure()?)));
    let Some((_, cause)) = failing().max_by_key(|(attempt, _)| *attempt) else { return ran_out };
    if stopped == Stopped::Surely || failing().count() == open().count() {
        let message = format!("{}; then {} ({})", cause.message, ran_out.message, ran_out.code);
        return StoredError { code: cause.code.clone(), message };
    }
    let message = format!("{}; meanwhile: {} ({})", ran_out.message, cause.message, cause.code);
    StoredError { code: ran_out.code, message }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn task(status: TaskStatus, attempt: u32, code: Option<&str>) -> TaskRecord {
        TaskRecord {
            id: "t".to_owned(),
            workflow_id: "m".to_owned(),
            kind: "copy".to_owned(),
            target: "there".to_owned(),
            input: Value::Null,
            status,
            checkpoint: None,
            progress: json!({}),
            result: None,
            attempt,
            failing: None,
            error: code.map(|code| StoredError { code: code.to_owned(), message: format!("it is {code}") }),
            fence: 1,
            keeps_offline: true,
        }
    }

    fn lapsed() -> StoredError {
        StoredError { code: "offline_lease_lapsed".to_owned(), message: "the lease lapsed".to_owned() }
    }

    #[test]
    fn what_stopped_the_work_is_the_error_and_the_time_that_ran_out_is_told_too() {
        let tasks = [
            task(TaskStatus::Open, 1, Some("throttled")),
            task(TaskStatus::Open, 3, Some("unreachable")),
            task(TaskStatus::Open, 0, None),
        ];
        let error = of(lapsed(), Stopped::Surely, &tasks);
        assert_eq!(error.code, "unreachable");
        assert_eq!(error.message, "it is unreachable; then the lease lapsed (offline_lease_lapsed)");
    }

    #[test]
    fn work_that_goes_on_beside_what_fails_leaves_the_time_as_the_error() {
        let some = [task(TaskStatus::Open, 1, Some("throttled")), task(TaskStatus::Open, 0, None)];
        let error = of(lapsed(), Stopped::Perhaps, &some);
        assert_eq!(error.code, "offline_lease_lapsed");
        assert!(error.message.ends_with("; meanwhile: it is throttled (throttled)"), "{}", error.message);
        let all = [task(TaskStatus::Open, 1, Some("throttled")), task(TaskStatus::Done, 0, None)];
        assert_eq!(of(lapsed(), Stopped::Perhaps, &all).code, "throttled", "all that is left of the work fails");
    }

    #[test]
    fn what_ended_well_is_no_cause_whatever_it_ran_into_before() {
        let tasks = [task(TaskStatus::Open, 0, None), task(TaskStatus::Done, 2, Some("throttled"))];
        assert_eq!(of(lapsed(), Stopped::Surely, &tasks), lapsed());
    }
}
