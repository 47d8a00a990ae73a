//! A budget as people write it, in milliseconds.

use jiff::SignedDuration;

use crate::api::Budget;
use crate::problem::ApiError;

/// A pause between two waves in milliseconds, which may be 0.
pub(crate) fn pause_millis(pause: &Budget) -> Result<i64, ApiError> {
    read(pause).filter(|millis| *millis >= 0).ok_or_else(|| {
        let detail = "a pause is a duration such as \"90s\" or \"10m\", or a whole number of seconds";
        ApiError::invalid("invalid_pause", detail)
    })
}

fn read(budget: &Budget) -> Option<i64> {
    let duration = match budget {
        Budget::Seconds(seconds) => i64::try_from(*seconds).ok().map(SignedDuration::from_secs),
        Budget::Text(text) => parse(text),
    };
    duration.and_then(|duration| i64::try_from(duration.as_millis()).ok())
}

/// The budget in milliseconds, more than 0.
pub(crate) fn millis(budget: &Budget) -> Result<i64, ApiError> {
    // Checked against 0 by whoever starts moves, too; here, because less than a millisecond would become 0.
    read(budget).filter(|millis| *millis > 0).ok_or_else(|| {
        let detail = "a budget is longer than 0, such as \"90s\", \"10m\" or \"1h30m\", or a whole number of seconds";
        ApiError::invalid("invalid_budget", detail)
    })
}

/// A number alone counts seconds, as it does in JSON.
fn parse(text: &str) -> Option<SignedDuration> {
    let text = text.trim();
    text.parse().map(SignedDuration::from_secs).ok().or_else(|| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_read_as_people_write_them() {
        let text = |text: &str| Budget::Text(text.to_owned());
        let good = [
            (Budget::Seconds(90), 90_000),
            (text("90"), 90_000),
            (text("90s"), 90_000),
            (text(" 10m "), 600_000),
            (text("1h"), 3_600_000),
            (text("1h30m"), 5_400_000),
            (text("500ms"), 500),
        ];
        for (budget, expected) in good {
            assert_eq!(millis(&budget).expect("a budget"), expected, "{budget:?}");
        }
        let bad = [
            Budget::Seconds(0),
            Budget::Seconds(u64::MAX),
            Budget::Seconds(i64::MAX.unsigned_abs()),
            text(""),
            text("0s"),
            text("-5m"),
            text("1us"),
            text("soon"),
            text("1mo"),
        ];
        for budget in bad {
            assert_eq!(millis(&budget).expect_err("refused").into_problem().code, "invalid_budget", "{budget:?}");
        }
    }
}
