//! The parts of a large object: ranges of one size, which is a power of two so that they can be hashed apart (`hash_tree.rs`).

use std::ops::Range;

use crate::settings::Settings;

/// S3 User Guide, "Multipart upload limits".
const MOST_PARTS: u64 = 10_000;
const SMALLEST_PART: u64 = 5 << 20;

/// How an object is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) part_size: u64,
    length: u64,
}

impl Layout {
    /// `None` for an object that is written in one piece.
    pub(super) fn of(length: u64, settings: &Settings) -> Option<Self> {
        let part_size = least_part(settings).max(length.div_ceil(MOST_PARTS)).next_power_of_two();
        (length > settings.multipart_threshold.max(part_size)).then_some(Self { part_size, length })
    }

    /// How many, at least two.
    pub(super) fn parts(self) -> u64 {
        self.length.div_ceil(self.part_size)
    }

    /// The bytes of part `number`, counted from 0.
    pub(super) fn range(self, number: u64) -> Range<u64> {
        let start = number * self.part_size;
        start..self.length.min(start + self.part_size)
    }
}

/// The most bytes of an object that are held at once, unless it needs larger parts.
pub(super) fn largest_piece(settings: &Settings) -> u64 {
    least_part(settings).next_power_of_two().max(settings.multipart_threshold)
}

fn least_part(settings: &Settings) -> u64 {
    settings.part_size.max(SMALLEST_PART)
}

#[cfg(test)]
mod tests {
    use crate::s3::part_layout::*;

    #[test]
    fn parts_have_one_size_and_there_are_never_too_many() {
        let settings =
            |part_size, multipart_threshold| Settings { part_size, multipart_threshold, ..Settings::default() };
        let usual = settings(8 << 20, 8 << 20);
        assert_eq!(Layout::of(8 << 20, &usual), None);
        let layout = Layout::of((8 << 20) + 1, &usual).expect("two parts");
        assert_eq!((layout.parts(), layout.range(0), layout.range(1)), (2, 0..8 << 20, 8 << 20..(8 << 20) + 1));
        assert_eq!(Layout::of(6 << 20, &settings(1, 1)), None, "one part of 8 MiB would do");
        assert_eq!(Layout::of(9 << 20, &settings(1, 1)).expect("two parts").part_size, 8 << 20);
        assert_eq!(Layout::of(20 << 20, &settings(8 << 20, 32 << 20)), None);
        let terabytes = Layout::of(5 << 40, &usual).expect("many parts");
        assert_eq!((terabytes.part_size, terabytes.parts()), (1 << 30, 5 << 10));
        assert_eq!((largest_piece(&usual), largest_piece(&settings(9 << 20, 1))), (8 << 20, 16 << 20));
    }
}
