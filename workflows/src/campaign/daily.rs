//! A span of every day, in UTC: `22:00-04:00`. Pure.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use store::Millis;

use crate::realm_move::Window;

const MINUTE_MS: Millis = 60_000;
const DAY_MS: Millis = 24 * 60 * MINUTE_MS;

/// From one time of the day to another, its end excluded; past midnight when it ends earlier than it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DailyWindow {
    /// Minutes after midnight.
    from: u16,
    /// Minutes after midnight.
    to: u16,
}

/// Text that is no daily window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a daily window is two different times of the day in UTC, such as 22:00-04:00")]
pub struct InvalidDailyWindow;

impl DailyWindow {
    /// The window that is open at `now`, else the next one.
    pub fn next(&self, now: Millis) -> Window {
        let midnight = now.div_euclid(DAY_MS) * DAY_MS;
        // Yesterday's may reach past midnight; today's may be over.
        let days = [midnight - DAY_MS, midnight, midnight + DAY_MS];
        let windows = days.map(|day| {
            let from = day + Millis::from(self.from) * MINUTE_MS;
            Window { from, to: from + self.lasts() }
        });
        windows.into_iter().find(|window| window.to > now).unwrap_or(windows[2])
    }

    /// How long it lasts, in milliseconds.
    pub fn lasts(&self) -> Millis {
        ((Millis::from(self.to) - Millis::from(self.from)) * MINUTE_MS).rem_euclid(DAY_MS)
    }
}

impl FromStr for DailyWindow {
    type Err = InvalidDailyWindow;

    fn from_str(text: &str) -> Result<Self, InvalidDailyWindow> {
        let (from, to) = text.trim().split_once('-').ok_or(InvalidDailyWindow)?;
        let window = Self { from: minutes(from)?, to: minutes(to)? };
        if window.from == window.to { Err(InvalidDailyWindow) } else { Ok(window) }
    }
}

fn minutes(text: &str) -> Result<u16, InvalidDailyWindow> {
    let number = |text: &str, most: u16| {
        let digits = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|number| digits && *number <= most).ok_or(InvalidDailyWindow)
    };
    let (hour, minute) = text.split_once(':').ok_or(InvalidDailyWindow)?;
    Ok(number(hour, 23)? * 60 + number(minute, 59)?)
}

impl fmt::Display for DailyWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to } = self;
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
    }
}

impl TryFrom<String> for DailyWindow {
    type Error = InvalidDailyWindow;

    fn try_from(text: String) -> Result<Self, InvalidDailyWindow> {
        text.parse()
    }
}

impl From<DailyWindow> for String {
    fn from(window: DailyWindow) -> Self {
        window.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Millis {
        text.parse::<jiff::Timestamp>().expect("a time").as_millisecond()
    }

    #[test]
    fn the_open_window_or_the_next_one() {
        let cases = [
            ("22:00-04:00", "2026-11-22T23:30:00Z", "2026-11-22T22:00:00Z", "2026-11-23T04:00:00Z"),
            ("22:00-04:00", "2026-11-22T03:59:59Z", "2026-11-21T22:00:00Z", "2026-11-22T04:00:00Z"),
            ("22:00-04:00", "2026-11-22T04:00:00Z", "2026-11-22T22:00:00Z", "2026-11-23T04:00:00Z"),
            ("01:15-02:45", "2026-11-22T00:00:00Z", "2026-11-22T01:15:00Z", "2026-11-22T02:45:00Z"),
            ("01:15-02:45", "2026-11-22T02:45:00Z", "2026-11-23T01:15:00Z", "2026-11-23T02:45:00Z"),
        ];
        for (daily, now, from, to) in cases {
            let daily: DailyWindow = daily.parse().expect("a daily window");
            assert_eq!(daily.next(at(now)), Window { from: at(from), to: at(to) }, "{daily} at {now}");
        }
    }

    #[test]
    fn windows_are_written_as_they_are_read() {
        for text in ["22:00-04:00", "00:00-23:59"] {
            assert_eq!(text.parse::<DailyWindow>().expect("a daily window").to_string(), text);
        }
        for bad in ["", "22-4", "22:00", "24:00-04:00", "22:60-04:00", "22:00-22:00", "+2:00-04:00", "22:000-04:00"] {
            assert_eq!(bad.parse::<DailyWindow>(), Err(InvalidDailyWindow), "{bad:?}");
        }
    }
}
