//! Whole numbers on the command line.

use std::ops::RangeInclusive;

use crate::format::count;

/// Reads a whole number from a range; what is no such number is told in words.
pub(crate) fn number<T: TryFrom<i64>>(
    range: RangeInclusive<i64>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text| {
        let read = text.trim().parse::<i64>().ok().filter(|number| range.contains(number));
        read.and_then(|number| T::try_from(number).ok()).ok_or_else(|| {
            let (least, most) = (range.start().unsigned_abs(), range.end().unsigned_abs());
            if most == i64::MAX.unsigned_abs() {
                format!("expected a whole number, {} or more", count(least))
            } else {
                format!("expected a whole number from {} to {}", count(least), count(most))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_told_in_words() {
        let read = number::<u32>(1..=10_000);
        assert_eq!(read("50"), Ok(50));
        for bad in ["abc", "", "0", "10001", "1.5", "-1", "99999999999999999999"] {
            assert_eq!(read(bad), Err("expected a whole number from 1 to 10,000".to_owned()), "{bad}");
        }
        assert_eq!(number::<u64>(1..=i64::MAX)("x"), Err("expected a whole number, 1 or more".to_owned()));
    }
}
