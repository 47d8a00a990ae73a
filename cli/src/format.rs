//! Figures as people read and type them: durations, counts, sizes, times in UTC.

use std::time::Duration;

use engine::StoredError;
use jiff::Timestamp;
use server::api::TaskErrorView;

/// A duration in words: `350 ms`, `1.2 s`, `45 s`, `2 min 5 s`, `1 h 3 min`, `2 d 4 h`.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..10 => format!("{:.1} s", duration.as_millis() as f64 / 1000.0),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// Milliseconds in words.
pub(crate) fn millis(millis: i64) -> String {
    duration(Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
}

/// A count with thousands separators: `20,000`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun: `1 item`, `2,000 items`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    let number_shown = count(number);
    match noun.strip_suffix('y') {
        _ if number == 1 => format!("{number_shown} {noun}"),
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{number_shown} {stem}ies"),
        _ => format!("{number_shown} {noun}s"),
    }
}

/// What was handled: `500 items, 40 objects, 13.5 MiB`; kinds of which there are none are left out.
pub(crate) fn amount(items: u64, objects: u64, size: u64) -> String {
    let kinds = [(items, "item"), (objects, "object")];
    let mut parts: Vec<String> =
        kinds.into_iter().filter(|(number, _)| *number > 0).map(|(number, noun)| counted(number, noun)).collect();
    if parts.is_empty() {
        return "nothing".to_owned();
    }
    parts.push(bytes(size));
    parts.join(", ")
}

/// A size: `512 B`, `12.3 MiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut size = bytes as f64 / 1024.0;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

/// A state with the code of the error that led there or stands in its way: `failed: table_not_found`.
pub(crate) fn state(state: &str, error: Option<&StoredError>) -> String {
    error.map_or_else(|| state.to_owned(), |error| format!("{state}: {}", error.code))
}

/// What data tasks run into, and how often so far.
pub(crate) fn task_error(error: &TaskErrorView) -> String {
    let (tasks, verb) =
        (counted(error.tasks, &format!("{} task", error.kind)), if error.tasks == 1 { "is" } else { "are" });
    let TaskErrorView { attempts, attempts_max, message, code, .. } = error;
    if *attempts == 0 {
        return format!("{tasks} {verb} left to another process: {message} ({code})");
    }
    let of = attempts_max.map(|most| format!(" of {most}")).unwrap_or_default();
    format!("{tasks} {verb} tried again, {attempts}{of} attempts failed: {message} ({code})")
}

/// An RFC 3339 time as `2026-11-21 21:55:03 UTC`; what is not one is shown as it is.
pub(crate) fn time(rfc3339: &str) -> String {
    rfc3339
        .parse::<Timestamp>()
        .map_or_else(|_| rfc3339.to_owned(), |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// How long ago an RFC 3339 time was, in at most three characters and a unit: `45s`, `3m`, `2h`, `5d`.
pub(crate) fn age(rfc3339: &str, now: Timestamp) -> String {
    let Ok(at) = rfc3339.parse::<Timestamp>() else { return "?".to_owned() };
    match now.duration_since(at).as_secs() {
        seconds @ ..60 => format!("{}s", seconds.max(0)),
        seconds @ 60..3600 => format!("{}m", seconds / 60),
        seconds @ 3600..86_400 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// The time from one RFC 3339 time to another; `None` when either is not one.
pub(crate) fn between(from: &str, to: &str) -> Option<Duration> {
    let (from, to) = (from.parse::<Timestamp>().ok()?, to.parse::<Timestamp>().ok()?);
    Some(Duration::try_from(to.duration_since(from)).unwrap_or_default())
}

/// Reads a duration from the command line: `500ms`, `90s`, `10m`, `1h`, `1h30m`.
///
/// # Errors
/// What is expected, for clap to print.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let expected = || "expected a duration such as 500ms, 90s, 10m or 1h30m".to_owned();
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(expected());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(expected)?;
        let (number, tail) = rest.split_at(unit_at);
        let number: u64 = number.parse().map_err(|_| expected())?;
        let unit_len = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_len);
        let scale: u64 = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(expected()),
        };
        total = number.checked_mul(scale).and_then(|part| total.checked_add(part)).ok_or_else(expected)?;
        rest = tail;
    }
    Ok(Duration::from_millis(total))
}

#[cfg(test)]
mod tests {
    use crate::format::*;

    #[test]
    fn durations_are_read_as_people_say_them() {
        let cases = [
            (350, "350 ms"),
            (1_234, "1.2 s"),
            (45_600, "45 s"),
            (125_000, "2 min 5 s"),
            (3_780_000, "1 h 3 min"),
            (187_200_000, "2 d 4 h"),
        ];
        for (millis, words) in cases {
            assert_eq!(duration(Duration::from_millis(millis)), words);
        }
    }

    #[test]
    fn durations_are_typed_as_flags_say_them() {
        for (text, millis) in
            [("500ms", 500), ("90s", 90_000), ("10m", 600_000), ("1h30m", 5_400_000), ("2d", 172_800_000)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "10", "m", "10 m", "-5s", "1.5h", "5x", "99999999999999999999s"] {
            assert!(parse_duration(text).is_err(), "{text:?} was read");
        }
    }

    #[test]
    fn counts_and_sizes_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
        assert_eq!(counted(1, "item"), "1 item");
        assert_eq!(amount(500, 0, 1024), "500 items, 1.0 KiB");
        assert_eq!(amount(0, 0, 0), "nothing");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(12_900_000), "12.3 MiB");
    }

    #[test]
    fn times_are_shown_in_utc_and_as_ages() {
        assert_eq!(time("2026-11-21T21:55:03.123Z"), "2026-11-21 21:55:03 UTC");
        assert_eq!(time("soon"), "soon");
        let now: Timestamp = "2026-11-21T22:00:00Z".parse().unwrap();
        for (at, text) in
            [("2026-11-21T21:59:15Z", "45s"), ("2026-11-21T21:57:00Z", "3m"), ("2026-11-16T21:00:00Z", "5d")]
        {
            assert_eq!(age(at, now), text);
        }
        assert_eq!(between("2026-11-21T21:00:00Z", "2026-11-21T21:00:01.5Z"), Some(Duration::from_millis(1500)));
    }
}
