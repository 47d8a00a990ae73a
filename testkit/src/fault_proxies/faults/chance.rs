//! Draws that follow from a seed: the same on every run and machine.

use std::time::Duration;

use crate::fault_proxies::faults::{Fault, Latency};

#[derive(Debug)]
pub(super) struct Chance(blake3::OutputReader);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof())
    }

    /// Evenly from 0 up to 1.
    fn share(&mut self) -> f64 {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        f64::from(u32::from_le_bytes(bytes)) / 4_294_967_296.0
    }

    pub(super) fn delay(&mut self, latency: &Latency) -> Duration {
        let long = self.share() < latency.share_long;
        let (shortest, longest) = if long { latency.long } else { latency.usual };
        shortest + longest.saturating_sub(shortest).mul_f64(self.share())
    }

    pub(super) fn fault(&mut self, faults: &[(Fault, f64)]) -> Option<Fault> {
        let mut drawn = self.share();
        for (fault, odds) in faults {
            if drawn < *odds {
                return Some(*fault);
            }
            drawn -= odds;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use crate::fault_proxies::faults::chance::*;
    use crate::fault_proxies::faults::{Effect, Odds};

    #[test]
    fn draws_follow_from_the_seed_and_come_as_often_as_the_odds_say() {
        let odds = Odds::of_each(0.5);
        let draws = |seed| {
            let mut chance = Chance::new(seed);
            (0..10_000).map(|_| chance.fault(&odds.faults)).collect::<Vec<_>>()
        };
        assert_eq!(draws(1), draws(1));
        assert_ne!(draws(1), draws(2));
        for (fault, odds) in &odds.faults {
            let times = draws(3).iter().filter(|drawn| **drawn == Some(*fault)).count() as f64;
            assert!((0.9..1.1).contains(&(times / (odds * 10_000.0))), "{fault:?}: {times}");
        }
        let certain = [(Fault::Reset(Effect::None), 1.0)];
        assert!((0..100).all(|seed| Chance::new(seed).fault(&certain).is_some()));
    }

    #[test]
    fn delays_stay_within_their_bounds_and_some_are_long() {
        let millis = Duration::from_millis;
        let latency = Latency { usual: (millis(2), millis(4)), long: (millis(50), millis(90)), share_long: 0.1 };
        let mut chance = Chance::new(1);
        let delays: Vec<Duration> = (0..10_000).map(|_| chance.delay(&latency)).collect();
        let long = delays.iter().filter(|delay| (millis(50)..=millis(90)).contains(*delay)).count();
        let usual = delays.iter().filter(|delay| (millis(2)..=millis(4)).contains(*delay)).count();
        assert_eq!(long + usual, delays.len());
        assert!((900..1_100).contains(&long), "{long}");
    }
}
