//! Plays seeds, two at a time, and sums up what they hit.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

use store::{Store, StoreUrl};
use tempfile::TempDir;
use testkit::simulator::Coverage;

use crate::faults::wanted;
use crate::world::World;

/// From this many seeds on, every pair of fault and state must have been hit.
const ENOUGH_FOR_ALL: u64 = 10_000;

/// One seed in so many is played twice.
const TWICE: u64 = 10;

/// What came of one seed.
pub(crate) struct Played {
    pub(crate) hash: String,
    pub(crate) broken: Option<String>,
    pub(crate) lines: Vec<String>,
    pub(crate) coverage: Coverage,
}

/// Plays one seed from its beginning to its end.
pub(crate) fn play_one(seed: u64) -> Played {
    let folder = folder();
    let file = folder.path().join("catalogue.db");
    std::fs::copy(template(), &file).expect("the template can be copied");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime starts");
    let (release, held) = std::sync::mpsc::channel::<()>();
    let played = runtime.block_on(async {
        // As long as this thread is busy, the paused clock moves only when told to.
        let keeper = tokio::task::spawn_blocking(move || held.recv().is_err());
        let mut world = World::new(seed, &file).await;
        let broken = world.play().await.err();
        drop(release);
        assert!(keeper.await.expect("the keeper only waits"));
        Played {
            hash: world.trace.hash(),
            broken,
            lines: world.trace.lines().to_vec(),
            coverage: std::mem::take(&mut world.coverage),
        }
    });
    drop(runtime);
    played
}

/// Plays all of them, some twice; fails at the first that breaks a promise, with its trace.
pub(crate) fn play_all(seeds: Range<u64>) {
    let started = Instant::now();
    let next = AtomicU64::new(seeds.start);
    let stop = AtomicBool::new(false);
    let total = Mutex::new((Coverage::default(), Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= seeds.end {
                        return;
                    }
                    let broken = play_and_compare(seed, &total);
                    if let Some(broken) = broken {
                        stop.store(true, Ordering::SeqCst);
                        total.lock().expect("no holder panics").1.push((seed, broken));
                    }
                }
            });
        }
    });
    let (coverage, mut broken) = total.into_inner().expect("no holder panics");
    broken.sort_by_key(|(seed, _)| *seed);
    if let Some((seed, words)) = broken.into_iter().next() {
        panic!(
            "seed {seed} (FOUND AFTER {}): {words}\nPlay it again: REALMCTL_SEED={seed} make simulate",
            seed - seeds.start + 1
        );
    }
    let wanted = wanted();
    println!("{}", coverage.table(&wanted));
    let count = seeds.end - seeds.start;
    println!("{count} seeds, {} twice, in {:.1} s", count.div_ceil(TWICE), started.elapsed().as_secs_f64());
    let missing = coverage.missing(&wanted);
    println!("{} of {} pairs of fault and state hit; not: {missing:?}", wanted.len() - missing.len(), wanted.len());
    assert!(count < ENOUGH_FOR_ALL || missing.is_empty(), "never hit: {missing:?}");
}

fn play_and_compare(seed: u64, total: &Mutex<(Coverage, Vec<(u64, String)>)>) -> Option<String> {
    let played = play_one(seed);
    if let Some(broken) = played.broken {
        return Some(format!("{broken}\n{}", played.lines.join("\n")));
    }
    total.lock().expect("no holder panics").0.merge(&played.coverage);
    if seed.is_multiple_of(TWICE) {
        let again = play_one(seed);
        if again.hash != played.hash {
            let pairs = played.lines.iter().zip(&again.lines);
            let first = pairs.filter(|(one, other)| one != other).map(|(one, other)| format!("{one}\n{other}")).next();
            return Some(format!("P9: played twice, it differs: {first:?}"));
        }
    }
    None
}

/// A catalogue with its schema, made once.
fn template() -> &'static Path {
    static TEMPLATE: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, file) = TEMPLATE.get_or_init(|| {
        let folder = folder();
        let file = folder.path().join("template.db");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime starts");
        runtime.block_on(async {
            let store = Store::open(&StoreUrl::Sqlite(file.clone())).await;
            store.expect("the template opens").close().await;
        });
        (folder, file)
    });
    file
}

/// A folder in memory where there is one.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    tempfile::Builder::new().prefix("realmctl-simulator").tempdir_in(parent).expect("a temporary folder")
}
