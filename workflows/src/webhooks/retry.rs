//! What an attempt at telling a webhook comes to, and when the next one is made.

use catalogue::webhook_deliveries::{Attempt, DELIVERED, Delivery, FAILED, PENDING};
use store::Millis;
use workers::{WEBHOOK_GONE, WebhookAnswer};

use crate::timing::millis;
use crate::webhook_settings::Pace;

/// What this answer to a delivery comes to.
pub(super) fn judge(pace: &Pace, delivery: &Delivery, answer: &WebhookAnswer, now: Millis) -> Attempt {
    let http_status = answer.status.map(i64::from);
    let Some(code) = answer.error else {
        return Attempt { state: DELIVERED, next_at: None, http_status, error: None };
    };
    let error = Some(code.to_owned());
    if code == WEBHOOK_GONE || now >= delivery.give_up_at {
        return Attempt { state: FAILED, next_at: None, http_status, error };
    }
    let asked = answer.retry_after.map_or(0, millis);
    let wait = backoff(pace, delivery.attempts).max(asked).min(millis(pace.longest_retry));
    // The last attempt is made when it is given up, not after it.
    let next_at = Some((now + wait).min(delivery.give_up_at));
    Attempt { state: PENDING, next_at, http_status, error }
}

/// The wait after this many failed attempts and one more.
fn backoff(pace: &Pace, failed: i64) -> Millis {
    let doubled = u32::try_from(failed).ok().and_then(|failed| 2_i64.checked_pow(failed.min(40)));
    let longest = millis(pace.longest_retry);
    doubled.map_or(longest, |times| millis(pace.first_retry).saturating_mul(times)).min(longest)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn delivery(attempts: i64) -> Delivery {
        Delivery {
            id: "d".to_owned(),
            webhook: "w".to_owned(),
            seq: 1,
            part: 0,
            event: "move.failed".to_owned(),
            tenant: None,
            body: "{}".to_owned(),
            state: PENDING.to_owned(),
            attempts,
            created_at: 0,
            next_at: 0,
            give_up_at: 86_400_000,
            http_status: None,
            error: None,
            finished_at: None,
        }
    }

    fn answer(status: u16, error: Option<&'static str>, retry_after: Option<u64>) -> WebhookAnswer {
        WebhookAnswer { status: Some(status), error, retry_after: retry_after.map(Duration::from_secs) }
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let waits: Vec<Millis> = (0..12).map(|failed| backoff(&Pace::default(), failed) / 1000).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
        assert_eq!(backoff(&Pace::default(), i64::MAX), 900_000);
    }

    #[test]
    fn a_receiver_may_ask_for_a_longer_wait_within_bounds() {
        let wait = |seconds| {
            let judged = judge(&Pace::default(), &delivery(0), &answer(429, Some("webhook_throttled"), seconds), 1000);
            (judged.state, judged.next_at.map(|at| at - 1000))
        };
        assert_eq!(wait(None), (PENDING, Some(1_000)));
        assert_eq!(wait(Some(60)), (PENDING, Some(60_000)));
        assert_eq!(wait(Some(999_999)), (PENDING, Some(900_000)));
    }

    #[test]
    fn it_ends_with_the_receiver_taking_it_or_gone_or_after_a_day() {
        let state = |answer: WebhookAnswer, now| judge(&Pace::default(), &delivery(3), &answer, now).state;
        assert_eq!(state(answer(204, None, None), 90_000_000), DELIVERED);
        assert_eq!(state(answer(410, Some(WEBHOOK_GONE), None), 1), FAILED);
        assert_eq!(state(answer(500, Some("webhook_unavailable"), None), 86_399_999), PENDING);
        assert_eq!(state(answer(500, Some("webhook_unavailable"), None), 86_400_000), FAILED);
    }
}
