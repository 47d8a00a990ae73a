//! The pacing against simulated stores in virtual time: token buckets with hidden ceilings that change in the middle, items of
//! several sizes, answers that take their time, and neighbours on the same bucket. Every failure prints its seed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::dynamodb::rate_controller::*;

/// xorshift64*: the same numbers for the same seed.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn between(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * self.unit()
    }
}

/// What is played.
#[derive(Debug, Clone, Copy)]
struct Scene {
    ceiling: f64,
    /// What the ceiling is multiplied by in the middle.
    change: f64,
    /// The bucket, in seconds of the ceiling.
    burst: f64,
    /// Units of the largest item.
    largest: u64,
    /// The neighbours' share of the ceiling.
    neighbours: f64,
    /// Requests at once at most.
    writers: u64,
    /// Seconds that a request, and an answer, are under way at least.
    away: f64,
    /// Whether the bucket is empty at first.
    empty: bool,
}

const SECONDS: f64 = 240.0;
const RAMP_UP: f64 = 20.0;
const ITEMS: u64 = 25;

#[derive(Debug, Clone, PartialEq, PartialOrd)]
enum Event {
    Plan(Vec<u64>),
    /// Of the waiting one with this number, in the turn that it was given in this generation.
    Send(u64, u64),
    Arrive(Vec<u64>, f64),
    Answer(u64, Vec<u64>, f64),
    Neighbour,
}

/// In nanoseconds, so that they are ordered, and with a number, so that equal times are.
type Queue = BinaryHeap<Reverse<(u64, u64)>>;

struct Play {
    scene: Scene,
    random: Random,
    start: Instant,
    pacing: RateController,
    level: f64,
    level_at: f64,
    queue: Queue,
    /// Those that wait for their turns, in the order in which they came.
    waiting: BTreeMap<u64, (Vec<u64>, Turn)>,
    came: u64,
    events: Vec<Event>,
    /// When, units done, whether throttled.
    requests: Vec<(f64, u64, bool)>,
    neighbours: (u64, u64),
}

impl Play {
    fn of(scene: Scene, seed: u64) -> Self {
        Self::until(SECONDS, scene, seed)
    }

    fn until(end: f64, scene: Scene, seed: u64) -> Self {
        let start = Instant::now();
        let mut play = Self {
            scene,
            random: Random::new(seed),
            start,
            pacing: RateController::new(start),
            level: if scene.empty { 0.0 } else { scene.ceiling * scene.burst },
            level_at: 0.0,
            queue: Queue::new(),
            waiting: BTreeMap::new(),
            came: 0,
            events: Vec::new(),
            requests: Vec::new(),
            neighbours: (0, 0),
        };
        (0..scene.writers).for_each(|_| play.fresh(0.0));
        if scene.neighbours > 0.0 {
            play.at(0.0, Event::Neighbour);
        }
        while let Some(Reverse((nanos, number))) = play.queue.pop() {
            let now = nanos as f64 / 1e9;
            if now > end {
                break;
            }
            let event = play.events[usize::try_from(number).unwrap()].clone();
            play.happen(event, now);
        }
        play
    }

    fn at(&mut self, when: f64, event: Event) {
        self.queue.push(Reverse(((when * 1e9) as u64, self.events.len() as u64)));
        self.events.push(event);
    }

    fn fresh(&mut self, now: f64) {
        let items = (0..ITEMS).map(|_| self.random.between(1.0, self.scene.largest as f64 + 1.0) as u64).collect();
        self.at(now, Event::Plan(items));
    }

    fn instant(&self, seconds: f64) -> Instant {
        self.start + Duration::from_secs_f64(seconds)
    }

    fn ceiling(&self, now: f64) -> f64 {
        self.scene.ceiling * if now < SECONDS / 2.0 { 1.0 } else { self.scene.change }
    }

    fn refill(&mut self, now: f64) {
        let ceiling = self.ceiling(now);
        self.level = (self.level + (now - self.level_at) * ceiling).min(ceiling * self.scene.burst);
        self.level_at = now;
    }

    fn happen(&mut self, event: Event, now: f64) {
        match event {
            Event::Plan(mut items) => {
                let piece = self.pacing.piece().unwrap_or(f64::INFINITY);
                let mut sum = 0;
                let fit = items
                    .iter()
                    .take_while(|units| {
                        sum += **units;
                        sum as f64 <= piece
                    })
                    .count()
                    .max(1);
                // As a batch is sent in pieces; the rest of it is made up anew.
                items.truncate(fit);
                self.came += 1;
                self.wait(self.came, items, now);
            }
            Event::Send(number, generation) => {
                let Some((_, turn)) = self.waiting.get(&number) else { return };
                if turn.generation != generation {
                    return;
                }
                let (items, turn) = self.waiting.remove(&number).expect("it was just there");
                self.pacing.sent(turn);
                let arrives = now + self.scene.away + self.random.between(0.001, 0.006);
                self.at(arrives, Event::Arrive(items, now));
            }
            Event::Arrive(items, sent) => {
                self.refill(now);
                let (mut done, mut undone) = (0, Vec::new());
                for units in items {
                    if self.level >= units as f64 {
                        self.level -= units as f64;
                        done += units;
                    } else {
                        undone.push(units);
                    }
                }
                self.requests.push((now, done, !undone.is_empty()));
                let answered = now + self.scene.away + self.random.between(0.001, 0.004);
                self.at(answered, Event::Answer(done, undone, sent));
            }
            Event::Answer(done, undone, _) if undone.is_empty() => {
                let at = self.instant(now);
                self.pacing.accepted(done as f64, at);
                self.plan_anew(now);
                self.fresh(now);
            }
            Event::Answer(done, undone, sent) => {
                let (sent, at) = (self.instant(sent), self.instant(now));
                self.pacing.throttled(done as f64, undone.iter().sum::<u64>() as f64, sent, at);
                self.plan_anew(now);
                self.at(now, Event::Plan(undone));
            }
            Event::Neighbour => {
                self.refill(now);
                self.neighbours.0 += 1;
                if self.level >= 1.0 {
                    self.level -= 1.0;
                } else {
                    self.neighbours.1 += 1;
                }
                let mean = 1.0 / (self.scene.neighbours * self.ceiling(now));
                let next = now - mean * self.random.unit().max(1e-9).ln();
                self.at(next, Event::Neighbour);
            }
        }
    }

    /// A turn is given to one that waits.
    fn wait(&mut self, number: u64, items: Vec<u64>, now: f64) {
        let turn = self.pacing.reserve(items.iter().sum::<u64>() as f64, self.instant(now));
        let when = turn.at.saturating_duration_since(self.start).as_secs_f64().max(now);
        self.waiting.insert(number, (items, turn));
        self.at(when, Event::Send(number, turn.generation));
    }

    /// Those that wait are given their turns anew if those are void.
    fn plan_anew(&mut self, now: f64) {
        let void = |(_, turn): &(Vec<u64>, Turn)| turn.generation != self.pacing.generation();
        if self.waiting.values().next().is_some_and(void) {
            for (number, (items, _)) in std::mem::take(&mut self.waiting) {
                self.wait(number, items, now);
            }
        }
    }

    /// Of what the store would have taken, what was done between two times; and the share of requests that were throttled.
    fn between(&self, from: f64, to: f64) -> (f64, f64) {
        let within: Vec<_> = self.requests.iter().filter(|(at, ..)| (from..to).contains(at)).collect();
        let done: u64 = within.iter().map(|(_, done, _)| done).sum();
        let throttled = within.iter().filter(|(.., throttled)| *throttled).count();
        let (half, first) = (SECONDS / 2.0, self.scene.ceiling);
        let could =
            first * (to.min(half) - from.min(half)) + first * self.scene.change * (to.max(half) - from.max(half));
        (done as f64 / could, throttled as f64 / within.len() as f64)
    }
}

fn scene(seed: u64) -> Scene {
    let mut random = Random::new(seed ^ 0xfeed);
    let mut pick = |from: &[f64]| from[(random.unit() * from.len() as f64) as usize];
    Scene {
        ceiling: pick(&[100.0, 150.0, 230.0, 300.0, 1000.0, 3000.0]) * pick(&[0.8, 1.0, 1.13, 1.3]),
        change: pick(&[1.0 / 3.0, 0.5, 0.8, 1.0, 1.3, 2.0, 3.0]),
        burst: pick(&[1.0, 2.0, 5.0]),
        largest: 1,
        neighbours: 0.0,
        writers: pick(&[4.0, 8.0]) as u64,
        away: 0.0,
        empty: false,
    }
}

const SEEDS: u64 = 100;

#[test]
fn it_stays_just_under_a_hidden_ceiling_and_follows_it() {
    for seed in 0..SEEDS {
        let scene = scene(seed);
        let play = Play::of(scene, seed);
        let (before, throttled_before) = play.between(RAMP_UP, SECONDS / 2.0);
        // After a change it takes a moment to find the new ceiling: longer where few requests tell.
        let (after, throttled_after) = play.between(SECONDS / 2.0 + RAMP_UP, SECONDS);
        let (all, throttled) = play.between(RAMP_UP, SECONDS);
        let words = format!("seed {seed}, {scene:?}: {before:.3} before, {after:.3} after, {all:.3} in all");
        assert!(before >= 0.95 && after >= 0.95 && all >= 0.9, "{words}");
        assert!(throttled < 0.02, "{words}; throttled {throttled_before:.4}, {throttled_after:.4}, {throttled:.4}");
    }
}

#[test]
fn items_of_several_sizes_are_paced_as_well() {
    for seed in 0..SEEDS {
        let scene = Scene { largest: 4, burst: 2.0, ..scene(seed) };
        let play = Play::of(scene, seed);
        let (before, throttled) = play.between(RAMP_UP, SECONDS / 2.0);
        assert!(before >= 0.93 && throttled < 0.025, "seed {seed}, {scene:?}: {before:.3}, {throttled:.4} throttled");
    }
}

#[test]
fn neighbours_on_the_same_bucket_are_hardly_ever_throttled() {
    for seed in 0..SEEDS {
        let scene = Scene { neighbours: 0.2, ..scene(seed) };
        let play = Play::of(scene, seed);
        let (asked, refused) = play.neighbours;
        assert!(refused as f64 <= 0.01 * asked as f64, "seed {seed}, {scene:?}: {refused} of {asked}");
        let (used, _) = play.between(RAMP_UP, SECONDS / 2.0);
        assert!(used >= 0.65, "seed {seed}, {scene:?}: {used:.3} beside neighbours that take 0.2");
    }
}

#[test]
fn a_store_far_away_is_used_as_well() {
    for seed in 0..SEEDS {
        let scene = scene(seed);
        let scene = Scene { ceiling: scene.ceiling.min(1000.0), writers: 8, away: 0.09, ..scene };
        let play = Play::of(scene, seed);
        let (before, throttled) = play.between(RAMP_UP, SECONDS / 2.0);
        // Those under way find the ceiling together with the first that does.
        assert!(before >= 0.95 && throttled < 0.03, "seed {seed}, {scene:?}: {before:.3}, {throttled:.4} throttled");
    }
}

#[test]
fn a_throttling_at_the_very_start_does_not_slow_it_down_for_long() {
    for seed in 0..SEEDS {
        for more in [1.0, 10.0] {
            let scene = scene(seed);
            let scene = Scene { ceiling: scene.ceiling * more, change: 1.0, writers: 80, empty: true, ..scene };
            let play = Play::until(10.0, scene, seed);
            let (used, _) = play.between(5.0, 10.0);
            assert!(used >= 0.9, "seed {seed}, {scene:?}: {used:.3}");
        }
    }
}

#[test]
fn nothing_is_held_back_before_the_first_throttling() {
    let now = Instant::now();
    let mut ceiling = RateController::new(now);
    for _ in 0..1000 {
        assert_eq!(ceiling.reserve(1e6, now).at, now);
        ceiling.accepted(1e6, now);
    }
    assert_eq!(ceiling.piece(), None);
}

#[test]
fn requests_under_way_at_a_throttling_belong_to_it() {
    let start = Instant::now();
    let at = |millis| start + Duration::from_millis(millis);
    let mut ceiling = RateController::new(start);
    (1..=100).for_each(|n| ceiling.accepted(25.0, at(n * 10)));
    ceiling.throttled(5.0, 20.0, at(1000), at(1010));
    let once = (ceiling.rate, ceiling.generation);
    ceiling.throttled(0.0, 25.0, at(1005), at(1011));
    assert_eq!((ceiling.rate, ceiling.generation), once);
}
