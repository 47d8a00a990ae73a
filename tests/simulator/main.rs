//! The deterministic simulator: the real catalogue, engine, workflows and movers over simulated tables, clocks and processes.
//! A seed decides everything, and the promises P1 to P9 are judged after every step.
//!
//! `make simulate SEEDS=10000` plays many seeds; `REALMCTL_SEED=N make simulate` plays one and prints its trace.

mod audit_invariants;
mod changes;
mod clients;
mod counter_invariants;
mod faults;
mod hooks;
mod invariants;
mod late_writers;
mod network;
mod observer;
mod operators;
mod seeds;
mod processes;
mod scenario;
mod tables;
mod world;

/// Seeds that are played when nobody says how many.
const FEW: u64 = 200;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number, not {text}")))
}

/// P1 to P9 hold in every seed, and a seed played twice is the same twice.
#[test]
fn the_promises_hold_under_every_seed() {
    if let Some(seed) = number("REALMCTL_SEED") {
        let played = seeds::play_one(seed);
        for line in &played.lines {
            println!("{line}");
        }
        println!("seed {seed}: trace {}", played.hash);
        assert_eq!(played.broken, None);
        return;
    }
    let seeds = number("REALMCTL_SEEDS").unwrap_or(FEW);
    let first = number("REALMCTL_FIRST_SEED").unwrap_or(0);
    seeds::play_all(first..first + seeds);
}
