//! Where to divide a prefix into parts of about equal work, decided while it is listed in order. What is kept of it is bounded.

/// An object costs as much as it has bytes, and for itself as much as this many.
const OBJECT: u64 = 256 << 10;
const MOST_SAMPLES: usize = 4096;

/// Some of the keys, relative to the prefix, with the work up to and including each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cuts {
    samples: Vec<(String, u64)>,
    /// Every so many objects one is kept; 0 stands for each.
    skipped: u64,
    seen: u64,
    work: u64,
}

impl Cuts {
    /// The next object in the order of the listing.
    pub(super) fn note(&mut self, relative: &str, bytes: u64) {
        self.work += OBJECT + bytes;
        self.seen += 1;
        if !self.seen.is_multiple_of(self.skipped + 1) {
            return;
        }
        self.samples.push((relative.to_owned(), self.work));
        if self.samples.len() > MOST_SAMPLES {
            let mut number = 0_u64;
            self.samples.retain(|_| {
                number += 1;
                number.is_multiple_of(2)
            });
            self.skipped = self.skipped * 2 + 1;
        }
    }

    /// The last key of each of `parts` parts but the last; fewer where there are not enough keys.
    pub fn bounds(&self, parts: u32) -> Vec<String> {
        let mut bounds: Vec<String> = Vec::new();
        for number in 1..parts {
            let work = self.work / u64::from(parts) * u64::from(number);
            let at = self.samples.partition_point(|(_, done)| *done < work);
            // A part after the last key would be empty for ever.
            match self.samples.get(at).filter(|_| at + 1 < self.samples.len()) {
                Some((key, _)) if bounds.last() != Some(key) => bounds.push(key.clone()),
                _ => {}
            }
        }
        bounds
    }
}

#[cfg(test)]
mod tests {
    use crate::s3::split_points::*;

    fn of(objects: impl Iterator<Item = u64>) -> Cuts {
        let mut cuts = Cuts::default();
        for (number, bytes) in (0..).zip(objects) {
            cuts.note(&format!("{number:08}"), bytes);
        }
        cuts
    }

    #[test]
    fn parts_are_about_equal_and_little_is_kept() {
        let cuts = of((0..100_000).map(|_| 1_000));
        assert!(cuts.samples.len() <= MOST_SAMPLES);
        let bounds: Vec<i64> = cuts.bounds(4).iter().map(|key| key.parse().expect("a number")).collect();
        let near = |bound: i64, wanted: i64| (bound - wanted).abs() < 100;
        assert!(near(bounds[0], 25_000) && near(bounds[1], 50_000) && near(bounds[2], 75_000), "{bounds:?}");
    }

    #[test]
    fn bytes_count_as_well() {
        let cuts = of((0..100).map(|n| if n < 10 { 1 << 30 } else { 0 }));
        assert_eq!(cuts.bounds(2), ["00000005"], "half of the bytes, and not half of the objects");
    }

    #[test]
    fn there_are_no_more_parts_than_keys() {
        assert_eq!(of([1].into_iter()).bounds(4), Vec::<String>::new());
        assert_eq!(of([1, 1].into_iter()).bounds(4), ["00000000"]);
        assert_eq!(Cuts::default().bounds(4), Vec::<String>::new());
        assert_eq!(of((0..100).map(|_| 1)).bounds(1), Vec::<String>::new());
    }
}
