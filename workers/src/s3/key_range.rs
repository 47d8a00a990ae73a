//! Which of the objects under a prefix belong to a part: a range of keys, so that each part lists its own only. The bounds are stored
//! with whatever is done by part; an object that appears late has its part as well.

/// The keys, relative to the prefix, after one bound and up to another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Share {
    after: Option<String>,
    upto: Option<String>,
}

impl Share {
    /// Part `number` of those that `bounds` divide the keys into: each bound is the last key of its part.
    pub(crate) fn of(bounds: &[String], number: u32) -> Self {
        let number = number as usize;
        Self { after: number.checked_sub(1).and_then(|n| bounds.get(n).cloned()), upto: bounds.get(number).cloned() }
    }

    /// Whether it is all of it.
    pub(super) fn is_whole(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn holds(&self, relative: &str) -> bool {
        self.after.as_deref().is_none_or(|after| relative > after) && !self.is_past(relative)
    }

    /// Whether the key, and so every later one, belongs to a later part. Strings compare as their bytes do, as S3 lists them.
    pub(super) fn is_past(&self, relative: &str) -> bool {
        self.upto.as_deref().is_some_and(|upto| relative > upto)
    }

    /// After which key it begins.
    pub(super) fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use crate::s3::key_range::*;

    #[test]
    fn every_key_has_exactly_one_part() {
        let bounds = ["b".to_owned(), "m/ü".to_owned(), "z".to_owned()];
        for key in ["", "a", "b", "b\u{1}", "m/", "m/ü", "m/üa", "z", "~", "🦀"] {
            let holders: Vec<u32> = (0..4).filter(|number| Share::of(&bounds, *number).holds(key)).collect();
            assert_eq!(holders.len(), 1, "{key}: {holders:?}");
        }
        assert!(Share::of(&bounds, 0).holds("b"));
        assert!(Share::of(&bounds, 3).holds("~"));
        assert!(Share::of(&[], 0).is_whole());
        assert!(!Share::of(&bounds, 3).is_whole());
    }
}
